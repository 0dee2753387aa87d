import { lookEveryMs } from './look-every.js';
import { measureHosts, type HostSizes } from './measure-hosts.js';
import { nodeIdOfUser } from './node-user.js';
import type { RedisConnection } from './redis.connection.js';

/** An agent has one or two, and another for a moment; some may linger after a cut. */
const MAX_CONNECTIONS = 16;
/** What a report (4 MiB) and a signed status (1.5 MiB) may have. */
const MAX_STATE_BYTES = 6 * 1024 * 1024;
/** Sealed batches that wait for us. A host that is honest has more only after we were away, and then they shrink. */
const MAX_STREAM_BYTES = 64 * 1024 * 1024;
/** From here on a stream is measured at every look. */
const WATCHED_STREAM_BYTES = MAX_STREAM_BYTES / 4;
/** An honest host adds half a MiB in ten seconds to what nobody reads. */
const FLOOD_BYTES = 4 * 1024 * 1024;
/** A stream that is read has become shorter after this. */
const SHRINKS_WITHIN_MS = 3_000;
/** More memory in use than at the last closer look that is a reason for the next. */
const GROWTH_BYTES = 32 * 1024 * 1024;
/** Who has not logged in by then does not mean to; the client waits 3 s. */
const LOGIN_WITHIN_S = 15;
/** Connections that are no reason to look closer, beside three a host: what an agent may have, and a lingering one. */
const SPARE_CONNECTIONS = 64;
/** New connections a second that are none, beside one a host: all of them may come back at once. */
const SPARE_ARRIVALS = 32;
/** Who logs in and leaves holds few at a time: those that were seen in this while count together. */
const SEEN_WITHIN_MS = 3_500;
/** Listing ten thousand connections costs Redis some 10 ms: not more often than this for a load that lasts. */
const REST_MS = 1_000;
const ARRIVALS_OVER_MS = 1_000;
const BATCH = 500;
const CONNECTIONS_A_HOST = 3;

/** What a host did that harms others. */
export interface HostOffence {
  readonly nodeId: string;
  readonly reason: string;
}

export interface OffenceWatchOptions {
  /** Ids of the hosts that have a user. */
  readonly known: () => readonly string[];
  readonly onOffence: (offence: HostOffence) => void;
  readonly onError?: (error: unknown) => void;
  /** Nobody of ours logs in as `default`, so who stays as that has not logged in and may be cut; default false. */
  readonly cutStrangers?: boolean;
  /** How often it looks whether there is reason to look closer; default 250. */
  readonly everyMs?: number;
  /** How often, at most, it looks closer without one; default 30,000. */
  readonly closerMs?: number;
}

/**
 * Finds hosts that use up what all share: connections and memory. Redis has no limits by user, so a few times a
 * second three of its counters are read, and only where they are unusual, or from time to time, every host is measured.
 */
export class OffenceWatch {
  readonly #timer: NodeJS.Timeout;
  /** Streams that are becoming too large: their bytes, and when that was. */
  readonly #watched = new Map<string, { readonly bytes: number; readonly at: number }>();
  /** Least memory in use since all hosts were measured. */
  #memory = Infinity;
  /** When each connection of a host was seen last, by node id and id of the connection. */
  readonly #seen = new Map<string, Map<string, number>>();
  /** Connections that Redis had ever taken, and when. */
  #arrivals = Infinity;
  #arrivalsAt = 0;
  /** Hosts at the last closer look. */
  #hosts = 0;
  #closerAt = 0;
  #restUntil = 0;
  #looking: Promise<void> | undefined;

  constructor(
    private readonly connection: RedisConnection,
    private readonly options: OffenceWatchOptions,
  ) {
    this.#timer = setInterval(() => void this.look(), options.everyMs ?? 250);
  }

  /** Never rejects; one look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.options.onError?.(error))
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    if (!this.connection.connected) return;
    const info = await this.connection.run('looking at the load', (client) =>
      client.info('clients', 'memory', 'stats'),
    );
    const [load, now] = [loadOf(info), performance.now()];
    const [crowded, rushed, grew] = [
      this.#isCrowded(load),
      this.#isRushed(load, now),
      this.#hasGrown(load),
    ];
    const due = now >= this.#closerAt;
    const closer = due || ((crowded || rushed) && now >= this.#restUntil);
    if (due) this.#closerAt = now + lookEveryMs(this.#hosts, this.options.closerMs);
    if (closer) await this.#lookAtConnections();
    // Not for a rush alone: a whole fleet that comes back is one.
    if (due || grew || (closer && crowded)) await this.#measureAll(load);
    else if (this.#watched.size > 0) await this.#measure([...this.#watched.keys()]);
  }

  async #lookAtConnections(): Promise<void> {
    this.#restUntil = performance.now() + REST_MS;
    const known = this.options.known();
    this.#hosts = known.length;
    const clients = await this.#clients();
    if (this.options.cutStrangers === true) await this.#cutStrangers(clients);
    this.#judgeConnections(known, clients);
  }

  async #measureAll({ memory }: Load): Promise<void> {
    this.#memory = memory;
    await this.#measure(this.options.known());
  }

  #hasGrown({ memory }: Load): boolean {
    this.#memory = Math.min(this.#memory, memory);
    return memory > this.#memory + GROWTH_BYTES;
  }

  #isRushed({ arrivals }: Load, now: number): boolean {
    const rushed = arrivals - this.#arrivals > this.#hosts + SPARE_ARRIVALS;
    if (now - this.#arrivalsAt >= ARRIVALS_OVER_MS)
      [this.#arrivals, this.#arrivalsAt] = [arrivals, now];
    return rushed;
  }

  #isCrowded({ clients, memory, memoryLimit }: Load): boolean {
    if (clients > CONNECTIONS_A_HOST * this.#hosts + SPARE_CONNECTIONS) return true;
    return memoryLimit > 0 && memory > memoryLimit / 2;
  }

  async #cutStrangers(clients: readonly Client[]): Promise<void> {
    const ids = clients
      .filter(({ user, ageS }) => user === 'default' && ageS > LOGIN_WITHIN_S)
      .map(({ id }) => id);
    if (ids.length === 0) return;
    await this.connection.run('cutting who does not log in', async (client) => {
      const pipeline = client.pipeline();
      for (const id of ids) pipeline.call('CLIENT', 'KILL', 'ID', id);
      await pipeline.exec();
    });
  }

  #judgeConnections(known: readonly string[], clients: readonly Client[]): void {
    this.#see(clients);
    for (const nodeId of known) {
      const count = this.#seen.get(nodeId)?.size ?? 0;
      if (count <= MAX_CONNECTIONS) continue;
      const reason = `it made ${count} connections to Redis, at most ${MAX_CONNECTIONS} are taken`;
      this.options.onOffence({ nodeId, reason });
    }
  }

  #see(clients: readonly Client[]): void {
    const now = performance.now();
    for (const { user, id } of clients) {
      const nodeId = nodeIdOfUser(user);
      if (nodeId === undefined) continue;
      const seen = this.#seen.get(nodeId) ?? new Map<string, number>();
      this.#seen.set(nodeId, seen.set(id, now));
    }
    for (const [nodeId, seen] of this.#seen) {
      for (const [id, at] of seen) if (now - at > SEEN_WITHIN_MS) seen.delete(id);
      if (seen.size === 0) this.#seen.delete(nodeId);
    }
  }

  async #clients(): Promise<readonly Client[]> {
    const list = await this.connection.run('listing connections', (client) =>
      client.call('CLIENT', 'LIST'),
    );
    return String(list).split('\n').map(clientOf);
  }

  async #measure(known: readonly string[]): Promise<void> {
    for (let start = 0; start < known.length; start += BATCH) {
      const batch = known.slice(start, start + BATCH);
      const large = await this.connection.run('measuring what hosts wrote', (client) =>
        measureHosts(client, batch, { state: MAX_STATE_BYTES, stream: WATCHED_STREAM_BYTES }),
      );
      for (const nodeId of batch) this.#judgeSizes(nodeId, large.get(nodeId));
    }
  }

  /** Undefined: little of both. */
  #judgeSizes(nodeId: string, sizes: HostSizes | undefined): void {
    if (!sizes) return void this.#watched.delete(nodeId);
    if (sizes.state > MAX_STATE_BYTES) {
      const reason = `it wrote a state of ${sizes.state} bytes, at most ${MAX_STATE_BYTES} are taken`;
      this.options.onOffence({ nodeId, reason });
    }
    if (!this.#floods(nodeId, sizes.stream) || sizes.stream <= MAX_STREAM_BYTES) return;
    const reason = `its event stream holds ${sizes.stream} bytes and does not shrink, at most ${MAX_STREAM_BYTES} are taken`;
    this.options.onOffence({ nodeId, reason });
  }

  /** Whether a stream grows faster than that of any honest host, or nobody can read it as fast as it is filled. */
  #floods(nodeId: string, bytes: number): boolean {
    const [before, now] = [this.#watched.get(nodeId), performance.now()];
    if (bytes <= WATCHED_STREAM_BYTES) {
      this.#watched.delete(nodeId);
      return false;
    }
    const over = before === undefined || now - before.at >= SHRINKS_WITHIN_MS;
    if (over) this.#watched.set(nodeId, { bytes, at: now });
    if (!before) return false;
    return bytes > before.bytes + FLOOD_BYTES || (over && bytes >= before.bytes);
  }
}

/** What INFO says of the load. */
interface Load {
  readonly clients: number;
  readonly arrivals: number;
  readonly memory: number;
  readonly memoryLimit: number;
}

function loadOf(info: string): Load {
  const value = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return {
    clients: value('connected_clients'),
    arrivals: value('total_connections_received'),
    memory: value('used_memory'),
    memoryLimit: value('maxmemory'),
  };
}

/** One line of CLIENT LIST. */
interface Client {
  readonly id: string;
  readonly user: string;
  readonly ageS: number;
}

/** Made once: there may be twenty thousand lines. */
const CLIENT = /^id=(?<id>\d+) .* age=(?<age>\d+) .* user=(?<user>\S*)/;

function clientOf(line: string): Client {
  const { id = '', user = '', age = '0' } = CLIENT.exec(line)?.groups ?? {};
  return { id, user, ageS: Number(age) };
}
