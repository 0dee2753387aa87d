/** What an attacker's program tells, over all of its time. */
export interface FloodCounts {
  /** Connections that it opened, or writes that were taken. */
  readonly done: number;
  /** Connections that stand. */
  readonly standing: number;
  /** Share of a core that it used. */
  readonly share: number;
}

const TELL_MS = 250;

/**
 * For a program of an attacker: tells four times a second, and when it is ended, on standard output; ends the program
 * when that is closed, and after its time.
 */
export function tellOften(forMs: number, counts: () => Omit<FloodCounts, 'share'>): void {
  const started = performance.now();
  const tell = (): void => {
    const { user, system } = process.cpuUsage();
    const share = (user + system) / 1_000 / (performance.now() - started);
    process.stdout.write(`${JSON.stringify({ ...counts(), share } satisfies FloodCounts)}\n`);
  };
  setInterval(tell, TELL_MS);
  process.stdout.on('error', () => process.exit(0));
  process.once('SIGTERM', () => {
    tell();
    process.exit(0);
  });
  setTimeout(() => process.exit(0), forMs);
}
