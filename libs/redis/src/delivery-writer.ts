import { createHash } from 'node:crypto';
import { type DeliveryRecord, redisKeys } from '#contracts';
import type { ChainableCommander, Redis } from 'ioredis';
import { MalformedValue, translateError } from './errors.js';
import { nudgeParts, parseDeliveryRecord } from './nudge.js';
import { contentsOf } from './redis-contents.js';
import type { RedisConnection } from './redis.connection.js';
import { writeIfGreater } from './write-if-greater.js';

const BATCH = 250;
/** Bundles that one look reads whole, in turn: what a look costs does not grow with the fleet. */
const READ_AT_ONCE = 32;
const DECIMAL = /^(0|[1-9]\d{0,38})$/;

/**
 * `stale`: what is there is newer or the same. `conflict`: another bundle, at the same assignment version or at a generation not
 * below `since`; the one that is there stays, and somebody must judge it (two replicas disagree).
 */
export type DeliveryOutcome = 'written' | 'stale' | 'conflict';

/** One assignment to write. */
export interface Delivery {
  readonly nodeId: string;
  readonly record: DeliveryRecord;
  /** The one that the record names: it goes with the nudge where it is small, beside `putBundle`. */
  readonly bundle?: Uint8Array;
  /** What is there of this generation or a later one, and names another bundle, is not written over. */
  readonly since?: bigint;
}

/** What the writer has done; `scriptLoads` beyond the first tell of restarts and SCRIPT FLUSH. */
export type DeliveryCounters = Readonly<Record<DeliveryOutcome | 'scriptLoads', number>>;

type ScriptArguments = [key: string, ...values: string[]];

/** Control-plane side: writes assignments only if they are newer, with the nudge in the same step, and bundles. */
export class DeliveryWriter {
  private readonly counts = { written: 0, stale: 0, conflict: 0, scriptLoads: 0 };
  /** Where the next look goes on reading. */
  private read = 0;

  constructor(private readonly connection: RedisConnection) {}

  get counters(): DeliveryCounters {
    return { ...this.counts };
  }

  async write(nodeId: string, record: DeliveryRecord): Promise<DeliveryOutcome> {
    const [outcome] = await this.writeMany([{ nodeId, record }]);
    if (outcome === undefined) throw new MalformedValue(redisKeys.assignment(nodeId), 'no answer');
    return outcome;
  }

  /** Writes in pipelined batches; outcomes in the order of the deliveries. May be repeated as a whole. */
  async writeMany(deliveries: readonly Delivery[]): Promise<DeliveryOutcome[]> {
    const outcomes: DeliveryOutcome[] = [];
    for (let start = 0; start < deliveries.length; start += BATCH) {
      const batch = deliveries.slice(start, start + BATCH).map(toArguments);
      const answers = await this.connection.run('writing assignments', (client) =>
        this.runScript(client, batch),
      );
      outcomes.push(...answers.map((answer) => this.count(answer)));
    }
    return outcomes;
  }

  /** Bundles are named by their content, so writing one twice changes nothing. Write it before what names it. */
  async putBundle(digest: string, bytes: Uint8Array): Promise<void> {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    await this.connection.run(`writing bundle ${digest}`, (client) =>
      client.set(redisKeys.bundle(digest), value),
    );
  }

  /** The bytes of a bundle; undefined where Redis does not hold it. */
  async bundle(digest: string): Promise<Uint8Array | undefined> {
    const value = await this.connection.run(`reading bundle ${digest}`, (client) =>
      client.getBuffer(redisKeys.bundle(digest)),
    );
    return value ?? undefined;
  }

  /**
   * Of these bundles, which Redis holds. Some of them are read, others the next time: one whose bytes are not what its
   * name says is not held, since no host would take it.
   */
  async heldBundles(digests: readonly string[]): Promise<ReadonlySet<string>> {
    const held = new Set(await this.held(digests, redisKeys.bundle));
    const from = held.size === 0 ? 0 : this.read % held.size;
    const turn = [...held, ...held].slice(from, from + Math.min(READ_AT_ONCE, held.size));
    this.read = from + turn.length;
    for (const digest of turn) {
      const bytes = await this.bundle(digest);
      const isIts = bytes && createHash('sha256').update(bytes).digest('hex') === digest;
      if (!isIts) held.delete(digest);
    }
    return held;
  }

  /** Of which of these hosts Redis holds an assignment. */
  heldAssignments(nodeIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.held(nodeIds, redisKeys.assignment);
  }

  /** The records of these hosts, in their order; undefined for what is not there or is no record. */
  async records(nodeIds: readonly string[]): Promise<(DeliveryRecord | undefined)[]> {
    const payloads = await inBatches(nodeIds, (batch) =>
      this.connection.run('reading assignments', (client) =>
        client.mget(batch.map((nodeId) => redisKeys.assignment(nodeId))),
      ),
    );
    return nodeIds.map((nodeId, index) => readRecord(nodeId, payloads[index]));
  }

  /** Removes the assignment of a host, so that the next write counts whatever its assignment version. */
  async discard(nodeId: string): Promise<void> {
    const key = redisKeys.assignment(nodeId);
    await this.connection.run(`removing ${key}`, (client) => client.unlink(key));
  }

  /** Digests of all bundles, and ids of all hosts of whom anything is there; walks over all keys of Redis. */
  contents(): Promise<{
    readonly bundles: ReadonlySet<string>;
    readonly nodeIds: ReadonlySet<string>;
  }> {
    return this.connection.run('listing what is there', contentsOf);
  }

  /** Removes bundles that no assignment names any more. */
  async dropBundles(digests: readonly string[]): Promise<void> {
    if (digests.length === 0) return;
    await this.connection.run('removing bundles', (client) =>
      client.unlink(digests.map((digest) => redisKeys.bundle(digest))),
    );
  }

  /** Removes the state that a host has written, and its signed status. */
  async dropState(nodeId: string): Promise<void> {
    const key = redisKeys.state(nodeId);
    const both = [key, redisKeys.signedStatus(nodeId)];
    await this.connection.run(`removing ${key}`, (client) => client.unlink(both));
  }

  /** Removes everything of a host that left. */
  async forgetNode(nodeId: string): Promise<void> {
    const { assignment, state, signedStatus, events, cursor } = redisKeys;
    const keys = [assignment, state, signedStatus, events, cursor].map((key) => key(nodeId));
    await this.connection.run(`removing ${nodeId}`, (client) => client.unlink(keys));
  }

  /** One question for many, since mostly all are there; only where some are missing is each asked about. */
  private async held(
    names: readonly string[],
    key: (name: string) => string,
  ): Promise<ReadonlySet<string>> {
    const answers = await inBatches(names, (batch) =>
      this.connection.run('looking what is there', async (client) => {
        const keys = batch.map(key);
        const count = await client.exists(...keys);
        if (count === keys.length) return keys.map(() => 1);
        return Promise.all(keys.map((each) => client.exists(each)));
      }),
    );
    return new Set(names.filter((_, index) => answers[index] === 1));
  }

  private async runScript(client: Redis, batch: readonly ScriptArguments[]): Promise<unknown[]> {
    let answers = await execute(client, batch);
    if (answers.some(isNoScript)) {
      // A restart or SCRIPT FLUSH. What ran already would come out as stale, so only the rest is run again.
      await client.script('LOAD', writeIfGreater.lua);
      this.counts.scriptLoads += 1;
      const rest = batch.filter((_, index) => isNoScript(answers[index]));
      const again = await execute(client, rest);
      answers = answers.map((answer) => (isNoScript(answer) ? again.shift() : answer));
    }
    const failure = answers.find((answer) => answer instanceof Error);
    if (failure !== undefined) throw translateError(failure, 'writing assignments');
    return answers;
  }

  private count(answer: unknown): DeliveryOutcome {
    const outcome = toOutcome(answer);
    this.counts[outcome] += 1;
    return outcome;
  }
}

async function inBatches<T, R>(
  items: readonly T[],
  work: (batch: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const all: R[] = [];
  for (let start = 0; start < items.length; start += BATCH) {
    all.push(...(await work(items.slice(start, start + BATCH))));
  }
  return all;
}

function readRecord(
  nodeId: string,
  payload: string | null | undefined,
): DeliveryRecord | undefined {
  if (payload === null || payload === undefined) return undefined;
  try {
    return parseDeliveryRecord(nodeId, payload);
  } catch (error) {
    if (error instanceof MalformedValue) return undefined;
    throw error;
  }
}

/** One answer or error an item, in order. */
async function execute(client: Redis, batch: readonly ScriptArguments[]): Promise<unknown[]> {
  const pipeline: ChainableCommander = client.pipeline();
  for (const args of batch) pipeline.evalsha(writeIfGreater.sha, 1, ...args);
  const answers = (await pipeline.exec()) ?? [];
  return batch.map((_, index) => {
    const [error, result] = answers[index] ?? [new Error('no answer'), undefined];
    return error ?? result;
  });
}

function toArguments({ nodeId, record, bundle, since }: Delivery): ScriptArguments {
  const { epoch, generation, issuedAt } = record.assignmentVersion;
  const numbers = [epoch, generation, issuedAt.toFixed(0)];
  if (!numbers.every((number) => DECIMAL.test(number))) {
    throw new TypeError(`assignment version of ${nodeId} is not decimal: ${numbers.join(', ')}`);
  }
  const keptFrom = since ?? BigInt(generation) + 1n;
  const channel = redisKeys.nudge(nodeId);
  const text = JSON.stringify(inOurOrder(record));
  return [
    redisKeys.assignment(nodeId),
    ...numbers,
    record.bundleDigest,
    keptFrom.toString(),
    text,
    channel,
    ...nudgeParts(channel, record.assignmentVersion, text.length, bundle),
  ];
}

/** What the script reads first stands first, whoever made the record. */
function inOurOrder({
  v,
  assignmentVersion,
  bundleDigest,
  ...rest
}: DeliveryRecord): DeliveryRecord {
  const { epoch, generation, issuedAt } = assignmentVersion;
  return { v, assignmentVersion: { epoch, generation, issuedAt }, bundleDigest, ...rest };
}

function toOutcome(answer: unknown): DeliveryOutcome {
  if (answer === 1) return 'written';
  return answer === 2 ? 'conflict' : 'stale';
}

function isNoScript(answer: unknown): boolean {
  return answer instanceof Error && answer.message.startsWith('NOSCRIPT');
}
