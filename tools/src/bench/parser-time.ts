import { spawn } from 'node:child_process';
import { AppArmorParser } from '#testing';

const PROGRAM = '/usr/sbin/apparmor_parser';
/** A profile that takes longer is not timed further: no host waits as long for its policies. */
const PARSE_WITHIN_MS = 300_000;

/** The features file of a Debian kernel, by which the parser works without one; absent where there is no parser. */
export function parserFeatures(): string | undefined {
  return AppArmorParser.find()?.features;
}

/** Milliseconds that the parser takes for a profile file, nothing cached or loaded; undefined beyond the limit. */
export async function parseMs(
  text: string,
  features: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const started = performance.now();
  const args = ['-Q', '-K', '-S', '-j0', '--config-file=/dev/null', '-M', features];
  const limit = AbortSignal.timeout(PARSE_WITHIN_MS);
  const child = spawn(PROGRAM, args, {
    stdio: ['pipe', 'ignore', 'pipe'],
    signal: AbortSignal.any([signal, limit]),
    killSignal: 'SIGKILL',
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (words += chunk));
  child.stdin.on('error', () => undefined); // it may end before it has read everything; its exit says why
  child.stdin.end(text);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => (limit.aborted ? resolve(null) : reject(error)));
    child.once('close', resolve);
  });
  if (limit.aborted) return undefined;
  if (code !== 0)
    throw new Error(`apparmor_parser refused a profile of the bench: ${words.trim()}`);
  return performance.now() - started;
}
