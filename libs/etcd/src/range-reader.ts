import type { IKeyValue, IRangeRequest, IRangeResponse, IResponseHeader } from 'etcd3';
import type { Endpoints } from './endpoints.js';
import { AnswerTooLarge, RevisionCompacted } from './errors.js';
import { internalKeys, prefixEnd } from './key-layout.js';
import { decodePointer } from './staged-pointer.js';
import type { KeyValue, ListPage, Listing } from './store-types.js';

const PAGE_KEYS = 1_000;
const LIST_ATTEMPTS = 3;
const PARALLEL_BODIES = 16;

/** Which history a header belongs to: a restored or emptied etcd shows another cluster id or an older term. */
export interface History {
  readonly clusterId: string;
  readonly term: bigint;
  readonly revision: bigint;
}

export interface PageOptions {
  readonly limit: number;
  readonly after?: string;
  readonly revision?: bigint;
}

/** Reads ranges page by page at one revision, and puts staged bodies in place of their pointers. */
export class RangeReader {
  constructor(private readonly endpoints: Endpoints) {}

  async get(key: string, revision?: bigint): Promise<KeyValue | undefined> {
    return this.retryCompacted(async () => {
      const answer = await this.range({ key: Buffer.from(key), ...at(revision) });
      const [item] = await this.resolve(answer.kvs.map(toKeyValue), BigInt(answer.header.revision));
      return item;
    }, revision);
  }

  /** Everything under the prefix at one revision. A compaction in the middle starts it again. */
  async list(prefix: string, revision?: bigint): Promise<Listing & { readonly history: History }> {
    return this.retryCompacted(async () => {
      const items: KeyValue[] = [];
      let page = await this.rawPage(prefix, { limit: PAGE_KEYS, revision });
      const { history } = page;
      items.push(...page.items);
      while (page.next !== undefined) {
        page = await this.rawPage(prefix, {
          limit: PAGE_KEYS,
          after: page.next,
          revision: revision ?? history.revision,
        });
        items.push(...page.items);
      }
      const pinned = revision ?? history.revision;
      return { items: await this.resolve(items, pinned), revision: pinned, history };
    }, revision);
  }

  async page(prefix: string, options: PageOptions): Promise<ListPage> {
    const page = await this.rawPage(prefix, options);
    const revision = options.revision ?? page.history.revision;
    const items = await this.resolve(page.items, revision);
    return { items, revision, ...(page.next !== undefined && { next: page.next }) };
  }

  /** Linearizable: the newest revision, and whose history it is. */
  async history(): Promise<History> {
    const request = { key: Buffer.from(internalKeys.abort(0)), count_only: true };
    return toHistory((await this.range(request)).header);
  }

  /** Puts staged bodies in place of pointers, as of `revision`. */
  async resolve<T extends { readonly key: string; readonly value?: Buffer }>(
    items: readonly T[],
    revision: bigint,
  ): Promise<T[]> {
    const resolved = [...items];
    const staged = items.flatMap((item, index) => {
      const id = item.value && decodePointer(item.value);
      return id === undefined ? [] : [{ item, index, id }];
    });
    for (let start = 0; start < staged.length; start += PARALLEL_BODIES) {
      await Promise.all(
        staged.slice(start, start + PARALLEL_BODIES).map(async ({ item, index, id }) => {
          resolved[index] = { ...item, value: await this.body(id, item.key, revision) };
        }),
      );
    }
    return resolved;
  }

  private async body(id: string, key: string, revision: bigint): Promise<Buffer> {
    const request = { key: Buffer.from(internalKeys.stagedBody(id, key)), ...at(revision) };
    const [body] = (await this.range(request)).kvs;
    // A committed body is there at every revision that has its pointer; without it the revision is no longer whole.
    if (body === undefined) throw new RevisionCompacted();
    return body.value;
  }

  private async rawPage(
    prefix: string,
    { limit, after, revision }: PageOptions,
  ): Promise<{ items: KeyValue[]; next?: string; history: History }> {
    for (let size = limit; ; size = Math.floor(size / 4)) {
      try {
        const answer = await this.range({
          key: Buffer.from(after === undefined ? prefix : `${after}\0`),
          range_end: prefixEnd(prefix),
          limit: size,
          ...at(revision),
        });
        const items = answer.kvs.map(toKeyValue);
        const last = items.at(-1)?.key;
        return {
          items,
          history: toHistory(answer.header),
          ...(answer.more && last !== undefined && { next: last }),
        };
      } catch (error) {
        if (!(error instanceof AnswerTooLarge) || size < 4) throw error;
      }
    }
  }

  private range(request: IRangeRequest): Promise<IRangeResponse> {
    const what = `reading ${request.key?.toString() ?? ''}`;
    return this.endpoints.read(what, (client, options) => client.kv.range(request, options));
  }

  private async retryCompacted<T>(run: () => Promise<T>, pinned: bigint | undefined): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run();
      } catch (error) {
        // A revision that the caller asked for does not come back.
        const final = pinned !== undefined || attempt >= LIST_ATTEMPTS;
        if (!(error instanceof RevisionCompacted) || final) throw error;
      }
    }
  }
}

function at(revision: bigint | undefined): { revision?: string } {
  return revision === undefined ? {} : { revision: revision.toString() };
}

/** From the client's form, where 64-bit numbers are decimal strings. */
function toKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: kv.key.toString(),
    value: kv.value,
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    version: BigInt(kv.version),
  };
}

export function toHistory(header: IResponseHeader): History {
  return {
    clusterId: header.cluster_id,
    term: BigInt(header.raft_term),
    revision: BigInt(header.revision),
  };
}
