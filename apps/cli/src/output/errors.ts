/** A mistake in how the command was called; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was understood and did not succeed; ends with exit code 1 or its own. `remedy` says what to do next. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(
    message: string,
    readonly remedy?: string,
    options: { cause?: unknown; exitCode?: number } = {},
  ) {
    super(message, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What an error says; for what is thrown and is none, its text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
