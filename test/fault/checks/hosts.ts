import type { InForce, Line, Order, Sighting } from '../history.js';
import type { Truth } from '../truth.js';
import type { Violation } from './violation.js';

/** What hosts had in force, sighting by sighting. */
export function checkHosts(lines: readonly Line[], truth: Truth): Violation[] {
  const last = new Map<string, Sighting>();
  const good = new KnownGood();
  const kernels = new Kernels(truth);
  const lettingOff = new LettingOff(truth);
  const machines = new Map<string, number>();
  return lines.flatMap((line, index) => {
    lettingOff.note(line);
    if (line.type === 'renewed') {
      last.delete(line.node);
      good.isNew(line.node);
      machines.set(line.node, (machines.get(line.node) ?? 0) + 1);
    }
    if (line.type === 'confirming') good.mayBe(line.node, line.order);
    if (line.type !== 'host') return [];
    const found = [
      ...committed(line, truth),
      ...forward(line, last.get(line.node), good),
      ...revoked(line, truth.idsOf(line.node)[machines.get(line.node) ?? 0], truth),
      ...lettingOff.judge(line),
      ...kernels.judge(line),
    ];
    last.set(line.node, line);
    if (line.fellBack || (line.confirmed && line.suspended === undefined))
      good.is(line.node, line.order);
    else if (line.confirmed && line.order) good.mayBe(line.node, line.order);
    return found.map((violation) => ({ ...violation, at: index + 1 }));
  });
}

type Found = Omit<Violation, 'at'>;

function committed({ node, order, policies }: Sighting, truth: Truth): Found[] {
  if (order === undefined) return [];
  const wanted = truth.wantedAt(node, order[1]);
  if (wanted !== undefined && namesOf(wanted) === namesOf(policies)) return [];
  const committedThen = wanted === undefined ? 'no such host' : namesOf(wanted);
  const what = `${node} enforces [${namesOf(policies)}] of generation ${order[1]}, which has [${committedThen}]`;
  return [{ rule: 'committed', what }];
}

function forward(now: Sighting, before: Sighting | undefined, good: KnownGood): Found[] {
  const back = (a: Order | undefined, b: Order | undefined): boolean =>
    b !== undefined && (a === undefined || compare(a, b) < 0);
  const found: string[] = [];
  if (back(now.order, before?.order)) {
    const went = `${now.node} went back from ${before?.order?.join('.')} to ${now.order?.join('.')}`;
    if (!now.fellBack) found.push(went);
    else if (!good.includes(now.node, now.order))
      found.push(`${went}, which is not its last known good`);
  }
  if (back(now.highest, before?.highest))
    found.push(`the highest that ${now.node} has seen went back to ${now.highest?.join('.')}`);
  if (back(now.highest, now.order))
    found.push(`${now.node} enforces ${now.order?.join('.')}, above the highest it has seen`);
  return found.map((what) => ({ rule: 'forward', what }));
}

/**
 * What each host can fall back to: what it was last seen to have confirmed, or has begun to confirm since, of which nobody
 * may have seen that it did. What is confirmed while nothing is enforced has proved nothing, but may have before.
 */
class KnownGood {
  readonly #orders = new Map<string, readonly (Order | undefined)[]>();

  is(node: string, order: Order | undefined): void {
    this.#orders.set(node, [order]);
  }

  isNew(node: string): void {
    this.#orders.delete(node);
  }

  mayBe(node: string, order: Order): void {
    this.#orders.set(node, [...this.#of(node), order]);
  }

  includes(node: string, order: Order | undefined): boolean {
    return this.#of(node).some((each) => each?.join() === order?.join());
  }

  /** Nothing, before the first. */
  #of(node: string): readonly (Order | undefined)[] {
    return this.#orders.get(node) ?? [undefined];
  }
}

function revoked({ node, order }: Sighting, nodeId: string | undefined, truth: Truth): Found[] {
  const revision = truth.revokedAt(nodeId);
  if (revision === undefined || order === undefined || order[1] <= revision) return [];
  const what = `${node}, revoked at ${revision}, was given generation ${order[1]}`;
  return [{ rule: 'revoked', what }];
}

/**
 * How far hosts are let off: as the generation has it that they enforce. Where the disk of one was full meanwhile, as a later
 * one may have it that it was offered by then, of which it could keep nothing else.
 */
class LettingOff {
  /** By the names of hosts: the generations that a Redis had for them. */
  readonly #offered = new Map<string, readonly number[]>();
  readonly #full = new Set<string>();
  /** What was offered to a host until its disk had room again, where it has the same rules since. */
  readonly #untilRoom = new Map<string, readonly number[]>();
  readonly #enforced = new Map<string, number | undefined>();

  constructor(private readonly truth: Truth) {}

  note(line: Line): void {
    if (line.type === 'offered') {
      const node = this.truth.nameOf(line.nodeId) ?? '';
      this.#offered.set(node, [...this.#offersTo(node), line.order[1]]);
    }
    if (line.type === 'disk' && line.isFull) this.#full.add(line.node);
    if (line.type === 'disk' && !line.isFull) {
      this.#full.delete(line.node);
      this.#untilRoom.set(line.node, this.#offersTo(line.node));
    }
  }

  /** One that has fallen back was enforcing, and goes on so. */
  judge({ node, order, suspended, fellBack }: Sighting): Found[] {
    const generation = order?.[1];
    if (generation !== this.#enforced.get(node)) this.#untilRoom.delete(node);
    this.#enforced.set(node, generation);
    if (generation === undefined || fellBack) return [];
    const later = this.#full.has(node) ? this.#offersTo(node) : (this.#untilRoom.get(node) ?? []);
    const mayHold = [generation, ...later.filter((each) => each > generation)];
    if (mayHold.some((each) => this.truth.suspendedAt(node, each) === suspended)) return [];
    const wanted = this.truth.suspendedAt(node, generation) ?? 'no';
    const what = `${node} is suspended: ${suspended ?? 'no'}; at generation ${generation} it is to be: ${wanted}`;
    return [{ rule: 'suspended', what }];
  }

  #offersTo(node: string): readonly number[] {
    return this.#offered.get(node) ?? [];
  }
}

/**
 * One rule set makes one content of the kernel on all hosts, and each content is of one rule set. What counts is what
 * policies say: pausing and resuming one makes a revision of the same words. Of a host that is let off nothing is asked.
 */
class Kernels {
  readonly #digests = new Map<string, string>();
  readonly #sets = new Map<string, string>();

  constructor(private readonly truth: Truth) {}

  judge({ node, order, policies, kernel, suspended }: Sighting): Found[] {
    if (order === undefined || kernel === undefined || suspended !== undefined) return [];
    const set = this.truth.wordsOf(policies);
    const digest = this.#digests.get(set) ?? kernel;
    const of = this.#sets.get(kernel) ?? set;
    this.#digests.set(set, digest);
    this.#sets.set(kernel, of);
    if (digest === kernel && of === set) return [];
    const what = `${node} says [${set}]; its kernel has ${of === set ? 'something else' : `[${of}]`}`;
    return [{ rule: 'kernel', what }];
  }
}

/** So many that the kernel of a host must have stood still at one of them. */
const MANY_SIGHTINGS = 30;

/** That nobody looked into a kernel, so that there was nothing to judge. */
export function kernelNeverRead(lines: readonly Line[]): readonly string[] {
  const seen = lines.flatMap((line) =>
    line.type === 'host' && line.order !== undefined && line.suspended === undefined ? [line] : [],
  );
  const isRead = seen.some(({ kernel }) => kernel !== undefined);
  return seen.length < MANY_SIGHTINGS || isRead
    ? []
    : [`kernel: ${seen.length} states of hosts, none with what the kernel had`];
}

/** One text for a rule set: `name@revision`, in the order of names. */
export function namesOf(policies: InForce): string {
  const each = Object.entries(policies).map(([name, revision]) => `${name}@${revision}`);
  return each.sort().join(' ');
}

/** Less than 0 where `a` is the older. */
export function compare(a: Order, b: Order): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
