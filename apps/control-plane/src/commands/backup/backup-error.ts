/** A backup could not be made or taken: says of which file, what is wrong, and the remedy. */
export class BackupError extends Error {
  override readonly name = 'BackupError';

  constructor(
    readonly file: string,
    what: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${what}\nremedy: ${remedy}`, options);
  }
}
