import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Change, History } from '../history.js';
import { etcdctlLogin, leaderIndex, type EtcdLogin } from './etcd-members.js';

const ROOT = '/hostward/v1/';
const KEPT = ['policy/', 'node/', 'revoke/', 'suspend/', 'audit-log/head'];
const SENTINEL = '/fault/sentinel';
const AGAIN_MS = 500;

interface Response {
  readonly Header?: { readonly revision?: number };
  /** Null in the last response of a watch that etcd ended. */
  readonly Events?:
    | readonly {
        readonly type?: number;
        readonly kv: {
          readonly key: string;
          readonly value?: string;
          readonly mod_revision: number;
        };
      }[]
    | null;
}

/** Writes down what etcd commits, told by etcd's own client past all links: nothing of the product is on this way. */
export class CommittedLog {
  #watch: ChildProcess | undefined;
  #sentinel = '';
  /** Of the newest revision that was written down. */
  revision = 0;

  constructor(
    private readonly login: EtcdLogin,
    private readonly history: History,
  ) {
    this.#follow();
  }

  /** From behind what was written down: no compaction goes further. A watch that ended under faults is begun again. */
  #follow(): void {
    const from = `--rev=${this.revision + 1}`;
    const args = [...etcdctlLogin(this.login), 'watch', '', '--prefix', from, '-w', 'json'];
    const watch = spawn('etcdctl', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#watch = watch;
    createInterface({ input: watch.stdout }).on('line', (line) => {
      if (watch === this.#watch) this.#take(line);
    });
    watch.on('exit', () => {
      setTimeout(() => {
        if (watch === this.#watch) this.#follow();
      }, AGAIN_MS);
    });
  }

  /** Index of the member that leads, in the order of the ports. */
  leader(): Promise<number> {
    return leaderIndex(this.login);
  }

  /** Old revisions are gone from etcd; those that this log has not seen yet stay. */
  async compact(): Promise<void> {
    if (this.revision <= 1) throw new Error('nothing has been written down that could go');
    await this.#ctl('compaction', String(this.revision));
  }

  /** etcd lets a control plane's lease go, and with it the key by which the others know that it is there. */
  async loseLease(replicaId: string): Promise<void> {
    const key = `${ROOT}lease/replica-${replicaId}`;
    const [lease = ''] = (await this.#ctl('get', key, '--print-value-only')).trim().split(' ');
    if (lease === '') throw new Error(`nobody holds ${key}`);
    await this.#ctl('lease', 'revoke', BigInt(lease).toString(16));
  }

  /** Waits until everything up to now is written down; throws after the deadline. */
  async caughtUp(withinMs: number): Promise<void> {
    const sentinel = String(Date.now());
    const deadline = Date.now() + withinMs;
    await this.#ctl('put', SENTINEL, sentinel);
    while (this.#sentinel !== sentinel) {
      if (Date.now() > deadline) throw new Error('the log of etcd does not come to its end');
      await delay(50);
    }
  }

  stop(): void {
    const watch = this.#watch;
    this.#watch = undefined;
    watch?.kill('SIGKILL');
  }

  async #ctl(...args: string[]): Promise<string> {
    const words = [...etcdctlLogin(this.login), ...args];
    return (await promisify(execFile)('etcdctl', words, { timeout: 10_000 })).stdout;
  }

  #take(line: string): void {
    const { Events: events } = JSON.parse(line) as Response;
    if (!events) {
      this.#watch?.kill('SIGKILL');
      return;
    }
    const byRevision = Map.groupBy(events, ({ kv }) => kv.mod_revision);
    for (const [revision, changed] of byRevision) {
      const changes = changed.flatMap(({ type, kv }) => this.#changeOf(type === 1, kv));
      this.revision = Math.max(this.revision, revision);
      if (changes.length > 0) this.history.write({ type: 'committed', revision, changes });
    }
  }

  #changeOf(isDelete: boolean, kv: { key: string; value?: string }): Change[] {
    const key = Buffer.from(kv.key, 'base64').toString('utf8');
    const text = Buffer.from(kv.value ?? '', 'base64').toString('utf8');
    if (key === SENTINEL) this.#sentinel = text;
    const name = key.startsWith(ROOT) ? key.slice(ROOT.length) : '';
    if (!KEPT.some((kept) => name.startsWith(kept))) return [];
    return [isDelete ? { key: name } : { key: name, value: JSON.parse(text) as unknown }];
  }
}
