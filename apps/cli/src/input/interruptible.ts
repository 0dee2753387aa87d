import { CommandFailed } from '../output/errors.js';

/** Runs what must clean up behind itself: Ctrl-C and SIGTERM abort its signal instead of ending the process. */
export async function interruptible(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  try {
    await run(interruption.signal);
  } catch (error) {
    if (interruption.signal.aborted) throw new CommandFailed('interrupted; everything was stopped');
    throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}
