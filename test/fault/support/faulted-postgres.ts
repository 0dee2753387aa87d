import { setTimeout as delay } from 'node:timers/promises';
import { SmallDisks, startPostgres, type PostgresServer } from '#testing';
import { LackingHere } from './fault-tally.js';

/** Its databases take 50 MiB of it, its log up to 64. */
const DISK_MIB = 144;
const LOOK_EVERY_MS = 500;

/** PostgreSQL as an init system has it: what has ended by itself, as it may on a full disk, is started until it runs. */
export class FaultedPostgres {
  readonly #over = new AbortController();
  readonly #keeping: Promise<void>;
  #isLost = false;

  private constructor(private readonly server: PostgresServer) {
    this.#keeping = this.#keep();
  }

  static async start(): Promise<FaultedPostgres> {
    const disk = SmallDisks.canBeMade ? { diskMib: DISK_MIB } : {};
    return new FaultedPostgres(await startPostgres(disk));
  }

  get port(): number {
    return this.server.port;
  }

  get password(): string {
    return this.server.password;
  }

  /** With all its connections, in order or as by a power cut, until `comeBack`. */
  async lose(by: 'end' | 'kill'): Promise<void> {
    this.#mustRun();
    this.#isLost = true;
    await (by === 'end' ? this.server.halt() : this.server.kill9());
  }

  comeBack(): void {
    this.#isLost = false;
  }

  /** Not a byte more can be written. */
  async fill(): Promise<void> {
    this.#mustRun();
    if (!SmallDisks.canBeMade) throw new LackingHere('only root can give PostgreSQL a disk');
    await this.server.fill();
  }

  async empty(): Promise<void> {
    await this.server.empty();
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#keeping;
    await this.server.stop();
  }

  #mustRun(): void {
    if (!this.server.isRunning) throw new Error('PostgreSQL does not run');
  }

  async #keep(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.#isLost || this.server.isRunning) continue;
      await this.server.restart().catch(() => undefined);
    }
  }
}
