/** The configuration cannot be used: says which key, its value, and the rule it breaks. Ends the start. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(
    readonly key: string,
    readonly value: string,
    readonly rule: string,
    options?: ErrorOptions,
  ) {
    super(`configuration: ${key} is ${value}: ${rule}`, options);
  }
}
