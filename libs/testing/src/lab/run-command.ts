import { spawn } from 'node:child_process';

import { LabError } from './lab.errors.js';

const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** How a command ended; `code` is -1 if a signal ended it, and `timedOut` tells whether that was the deadline's. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** Options of `runCommand`: text or bytes for stdin, deadline (default 60 s), extra environment. */
export interface CommandOptions {
  input?: string | Uint8Array | undefined;
  timeoutMs?: number | undefined;
  env?: Record<string, string>;
}

/** Runs a program without a shell and returns how it ended; throws LabError only if it cannot be started. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const child = spawn(file, args, { stdio: 'pipe', env: { ...process.env, ...options.env } });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
    // ssh hands these pipes to its kept connection, which would hold them open until the remote command ends.
    child.stdout.destroy();
    child.stderr.destroy();
  }, options.timeoutMs ?? 180_000);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.on('error', (cause) => {
    clearTimeout(timer);
    reject(new LabError(`cannot start ${file}: ${cause.message}`, { cause }));
  });
  child.on('close', (code) => {
    clearTimeout(timer);
    resolve({ code: code ?? -1, stdout: stdout(), stderr: stderr(), timedOut });
  });
  // A program that does not read its input may close it early; its exit code says what matters.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return promise;
}

/** Like `runCommand`, but throws LabError with the last words of a program that fails; returns its stdout. */
export async function mustRun(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await runCommand(file, args, options);
  if (result.code === 0) return result.stdout;
  const how = result.timedOut ? 'took too long' : `ended with ${result.code}`;
  throw new LabError(`${file} ${how}: ${(result.stderr || result.stdout).trim().slice(-3000)}`);
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_LIMIT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
