import { randomBytes } from 'node:crypto';
import type { RedisConnection } from './redis.connection.js';

const MARKER_TTL_S = 86_400;

/** `first`: seen for the first time; `restarted`: another process; `emptied`: same process, our marker is gone. */
export interface RedisRunChange {
  readonly reason: 'first' | 'restarted' | 'emptied';
  readonly runId: string;
}

export interface RunWatcherOptions {
  /** How often it looks; default 1,000. */
  readonly everyMs?: number;
  /** False: only restarts count, and nothing is written, as befits a replica; default true. */
  readonly watchData?: boolean;
  /** Called with each change until it resolves; a rejection is tried again at the next look. */
  readonly onRunChanged: (change: RedisRunChange) => Promise<void> | void;
  readonly onError?: (error: unknown) => void;
}

/** Notices that Redis has lost everything, by restart or FLUSHALL, so that its owner fills it again from etcd. */
export class RunWatcher {
  private readonly marker = `hw:alive:${randomBytes(6).toString('hex')}`;
  private readonly timer: NodeJS.Timeout;
  private runId: string | undefined;
  private looking = false;
  private due: RedisRunChange | undefined;

  constructor(
    private readonly connection: RedisConnection,
    private readonly options: RunWatcherOptions,
  ) {
    this.timer = setInterval(() => void this.look(), options.everyMs ?? 1_000);
    connection.whenReady(() => void this.look());
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      this.due = (await this.compare()) ?? this.due;
      if (this.due !== undefined) await this.options.onRunChanged(this.due);
      this.due = undefined;
    } catch (error) {
      this.options.onError?.(error);
    } finally {
      this.looking = false;
    }
  }

  private async compare(): Promise<RedisRunChange | undefined> {
    const { runId, marked } = await this.connection.run(
      'looking at the run of Redis',
      async (client) => {
        const info = await client.info('server');
        const runId = /^run_id:(\S+)/m.exec(info)?.[1] ?? '';
        if (this.options.watchData === false) return { runId, marked: true };
        // XX: written only if it is still there, so the answer tells whether the data is.
        const answer = await client.set(this.marker, '1', 'EX', MARKER_TTL_S, 'XX');
        if (answer === null) await client.set(this.marker, '1', 'EX', MARKER_TTL_S);
        return { runId, marked: answer !== null };
      },
    );
    const before = this.runId;
    this.runId = runId;
    if (before === undefined) return { reason: 'first', runId };
    if (before !== runId) return { reason: 'restarted', runId };
    return marked ? undefined : { reason: 'emptied', runId };
  }
}
