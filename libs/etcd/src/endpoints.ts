import type { Etcd3 } from 'etcd3';
import { setTimeout as sleep } from 'node:timers/promises';
import { newClient } from './client.js';
import { EtcdUnavailable, StoreClosed, type WriteOutcome } from './errors.js';
import type { EtcdCertificate, EtcdStoreOptions } from './store-types.js';
import { translateError } from './translate-error.js';

const DEFAULT_TIMEOUT_MS = 5_000;
const PAUSE_MS = 50;

/** What every raw call must pass on: its deadline in ms since 1970. */
export interface CallOptions {
  readonly deadline: number;
}

type Call<T> = (client: Etcd3, options: CallOptions) => Promise<T>;

/** One client a host: calls stay with the host that answers and move on when it does not. */
export class Endpoints {
  private clients: readonly Etcd3[];
  private readonly timeoutMs: number;
  private current = 0;
  private closed = false;

  constructor(private options: EtcdStoreOptions) {
    if (options.hosts.length === 0) throw new TypeError('hosts is empty: name at least one etcd');
    this.clients = options.hosts.map((host) => newClient(host, options));
    this.timeoutMs = options.callTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** Repeated on the next host whenever it fails for an outage, which leaves nothing to doubt: it writes nothing. */
  async read<T>(what: string, call: Call<T>): Promise<T> {
    try {
      return await this.attempt(what, call, () => true);
    } catch (error) {
      if (!(error instanceof EtcdUnavailable)) throw error;
      throw new EtcdUnavailable(error.what, 'not-applied', error.cause);
    }
  }

  /** Repeated only when it is certain that nothing was written. */
  write<T>(what: string, call: Call<T>): Promise<T> {
    return this.attempt(what, call, (outcome) => outcome === 'not-applied');
  }

  /** A client of its own for one watch stream: its failure must not touch the calls. The caller closes it. */
  streamClient(turn: number): Etcd3 {
    if (this.closed) throw new StoreClosed();
    const host = this.options.hosts[turn % this.options.hosts.length] ?? '';
    return newClient(host, this.options);
  }

  /** New connections show this from now on; calls that run end on the old ones within their deadline. */
  useCertificate(certificate: EtcdCertificate): void {
    if (this.closed) return;
    const before = this.clients;
    // The name that a server must carry stays.
    const credentials = { ...this.options.credentials, ...certificate };
    this.options = { ...this.options, credentials };
    this.clients = this.options.hosts.map((host) => newClient(host, this.options));
    const timer = setTimeout(() => closeAll(before), this.timeoutMs);
    timer.unref();
  }

  close(): void {
    this.closed = true;
    closeAll(this.clients);
  }

  private async attempt<T>(
    what: string,
    call: Call<T>,
    mayRepeat: (outcome: WriteOutcome) => boolean,
  ): Promise<T> {
    const deadline = Date.now() + this.timeoutMs;
    for (let turn = 0; ; turn += 1) {
      try {
        return await this.once(call, deadline);
      } catch (error) {
        const failure = translateError(error, what);
        if (this.closed) throw new StoreClosed();
        const outage = failure instanceof EtcdUnavailable;
        if (outage) this.current += 1;
        const last = turn >= this.clients.length || Date.now() + PAUSE_MS >= deadline;
        if (!outage || last || !mayRepeat(failure.outcome)) throw failure;
      }
      await sleep(PAUSE_MS);
    }
  }

  private once<T>(call: Call<T>, deadline: number): Promise<T> {
    const client = this.clients[this.current % this.clients.length];
    if (this.closed || client === undefined) throw new StoreClosed();
    // With more hosts than one, a silent host may use up half of the time only.
    const share = this.clients.length === 1 ? this.timeoutMs : this.timeoutMs / 2;
    return call(client, { deadline: Math.min(deadline, Date.now() + share) });
  }
}

function closeAll(clients: readonly Etcd3[]): void {
  for (const client of clients) client.close();
}
