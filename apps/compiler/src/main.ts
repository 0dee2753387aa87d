/**
 * hostward-compiler: verifies what came from the control plane, then parses and compiles it (D8). Started by
 * systemd in a sandbox when the sensor connects, ends when idle. Without network, without state, without privileges.
 */
import { Compiler } from './compiler.js';
import { compileOnce } from './once.js';
import { parseOptions, type ServiceOptions, USAGE, UsageError } from './options.js';
import { CompilerServer } from './server.js';
import { wordsOf } from './words-of.js';

const LISTEN_FD = 3;

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.mode === 'service') return serve(options);
  for (const file of await compileOnce(options)) process.stdout.write(`${file}\n`);
}

async function serve(options: ServiceOptions): Promise<void> {
  const compiler = new Compiler(options);
  const isActivated = options.socket === undefined;
  const server = new CompilerServer({
    listen: options.socket === undefined ? { fd: passedDescriptor() } : { path: options.socket },
    ...(isActivated ? { idleMs: options.idleMs } : {}),
    answer: (frame) => compiler.answer(frame),
    onFault: (error) => log('connection failed', error),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.stop());
  await server.start();
  await server.ended;
}

/** sd_listen_fds(3): exactly one, and meant for us. */
function passedDescriptor(): number {
  const { LISTEN_FDS: count, LISTEN_PID: pid } = process.env;
  if (count !== '1' || pid !== String(process.pid)) {
    throw new UsageError(
      'no socket was passed; start it by hostward-compiler.socket or with --socket PATH',
    );
  }
  return LISTEN_FD;
}

function log(message: string, error: unknown): void {
  const words = wordsOf(error);
  process.stderr.write(`${JSON.stringify({ level: 'warn', message, error: words })}\n`);
}

/** Tells what went wrong; the exit code. */
function failed(error: unknown): number {
  const isUsage = error instanceof UsageError;
  const words = wordsOf(error);
  process.stderr.write(`hostward-compiler: ${words}\n${isUsage ? `${USAGE}\n` : ''}`);
  return isUsage ? 2 : 1;
}

const code = await main().then(() => 0, failed);
// Not left to Node, which at times never ends once nothing is left to do: with the socket of a compiler
// that does not end nothing would be compiled any more.
process.stdout.write('', () => process.exit(code));
