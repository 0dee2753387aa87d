import { isDeepStrictEqual } from 'node:util';
import { MAX_REPORT_INTERVAL_MS, reportValidMs, type AgentRun, type NodeReport } from '#contracts';
import type { CloneMark } from '../records/node.record.js';

/** So often a run of an agent that was followed by another one must go on, until two machines are sure. */
const RETURNS = 3;
const RETURNS_WITHIN_MS = 5 * 60_000;
/** How long all machines but one must be silent until an identity is that one's again. */
const QUIET_MS = 5 * 60_000;
/** Of a run that was not heard since our start: however rarely it was told to report. */
const LONGEST_VALID_MS = reportValidMs({ nextWithinMs: MAX_REPORT_INTERVAL_MS });
/** An agent that is started again and again leaves a run each time; the longest silent is forgotten. */
const MAX_RUNS = 16;

/** Reports of one agent process, as far as they were seen; two copies of a running process are two runs. */
interface Run {
  readonly bootedAt: string;
  readonly firstSeenMs: number;
  readonly hostname: string;
  sequence: number;
  asOf: string;
  lastSeenMs: number;
  /** After which it counts as silent, as its last report said. */
  validMs: number;
}

interface Host {
  readonly runs: Run[];
  current?: Run;
  kept?: Run;
  /** What was found here; the mark that counts may be what another replica found. */
  found?: CloneMark;
  marked: boolean;
  latestAsOfMs: number;
  returnsAtMs: readonly number[];
}

/** What is to be made of a report; `found` once two machines are sure, until it is marked. */
export interface CloneVerdict {
  readonly counts: boolean;
  readonly found?: CloneMark;
}

const COUNTS: CloneVerdict = { counts: true };

/**
 * Tells a copied identity by what no single machine does: a run of an agent goes on after another one has begun, several
 * times. A restart leaves the earlier run for good, a snapshot that is restored goes back once, a step of the clock
 * changes no run, and what somebody who owns Redis plays back was written before the later run began.
 */
export class CloneWatch {
  readonly #hosts = new Map<string, Host>();
  /** Hosts of which two runs may be going on, by node id: until when that is looked into, ms. */
  readonly #suspects = new Map<string, number>();

  /** Judges a report that was opened with the host's key; `mark` is what etcd says about the host. */
  take(report: NodeReport, nowMs: number, mark: CloneMark | undefined): CloneVerdict {
    const host = this.#host(report.nodeId, nowMs, mark);
    const known = runOf(host, report);
    if (known && isSame(known, report)) return { counts: counts(host, known, nowMs) };
    if (!isLive(host, known, report)) return COUNTS;
    if (isChange(host, known, nowMs)) this.#suspects.set(report.nodeId, nowMs + RETURNS_WITHIN_MS);
    const run = known ?? begin(host, report, nowMs);
    goOn(host, run, report, { nowMs, returned: known !== undefined });
    const found = mark ? undefined : find(host, nowMs);
    return { counts: counts(host, run, nowMs), found };
  }

  /** Whether a run is that of the machine that counts; one whose reports were not seen yet is not. */
  isKept(nodeId: string, run: AgentRun, nowMs: number, mark: CloneMark): boolean {
    const { runs, kept } = this.#host(nodeId, nowMs, mark);
    const behind = ({ sequence }: Run): number => Math.abs(sequence - run.sequence);
    const [nearest, next] = runs
      .filter(({ bootedAt }) => bootedAt === run.bootedAt)
      .toSorted((a, b) => behind(a) - behind(b));
    if (!nearest || (next && behind(next) === behind(nearest))) return false;
    return nearest === kept;
  }

  /** Whether no more than one machine was heard under a marked identity for a time. */
  isQuiet(nodeId: string, nowMs: number): boolean {
    const host = this.#hosts.get(nodeId);
    return host !== undefined && host.runs.filter(heardSince(nowMs - QUIET_MS)).length < 2;
  }

  /**
   * Hosts whose runs have changed of late, each of which may be a second machine: where the two write one after the other
   * and neither rings, who looks seldom may see one of them for ever.
   */
  suspects(nowMs: number): readonly string[] {
    for (const [nodeId, untilMs] of this.#suspects)
      if (untilMs < nowMs) this.#suspects.delete(nodeId);
    return [...this.#suspects.keys()];
  }

  /** Of hosts that could not be heard, since this process stood still or their Redis is away: silence then says nothing. */
  wasDeaf(nowMs: number, to: readonly string[] = [...this.#hosts.keys()]): void {
    const hosts = to.flatMap((nodeId) => this.#hosts.get(nodeId) ?? []);
    for (const { marked, runs } of hosts)
      if (marked) for (const run of runs) run.lastSeenMs = nowMs;
  }

  /** Forgets a host that is gone. */
  forget(nodeId: string): void {
    this.#hosts.delete(nodeId);
    this.#suspects.delete(nodeId);
  }

  #host(nodeId: string, nowMs: number, mark: CloneMark | undefined): Host {
    const known = this.#hosts.get(nodeId);
    // A mark that was taken away ends what led to it; in one that another replica made it says who is who, also where
    // both found the copy at once.
    const ours =
      known?.kept !== undefined && (known.marked || isDeepStrictEqual(known.found, mark));
    const goesOn = mark ? ours : known?.marked === false;
    const host = known && goesOn ? known : seeded(mark, nowMs);
    if (mark) host.marked = true;
    this.#hosts.set(nodeId, host);
    return host;
  }
}

/** After a start of ours both runs are known from the mark, so that the same one of them goes on counting. */
function seeded(mark: CloneMark | undefined, nowMs: number): Host {
  const at = mark && Date.parse(mark.at);
  const [kept, refused] = [mark?.kept, mark?.refused].map(
    (seen): Run | undefined =>
      seen && {
        ...seen,
        asOf: '',
        hostname: '',
        firstSeenMs: at ?? 0,
        lastSeenMs: nowMs - 1,
        validMs: LONGEST_VALID_MS,
      },
  );
  const runs = [kept, refused].filter((run) => run !== undefined);
  return { runs, kept, marked: mark !== undefined, latestAsOfMs: 0, returnsAtMs: [] };
}

/** The run that this report goes on with: of several copies of one process the one that is nearest behind. */
function runOf({ runs }: Host, report: NodeReport): Run | undefined {
  const process = runs.filter(({ bootedAt }) => bootedAt === report.bootedAt);
  const same = process.find((run) => isSame(run, report));
  const behind = process
    .filter(({ sequence }) => sequence < report.sequence)
    .toSorted((a, b) => b.sequence - a.sequence);
  return same ?? behind[0];
}

function isSame(run: Run, { sequence, asOf }: NodeReport): boolean {
  return run.sequence === sequence && run.asOf === asOf;
}

/** Whether it was written after what was seen before; else it proves nothing, and its age is judged elsewhere. */
function isLive(host: Host, run: Run | undefined, report: NodeReport): boolean {
  const asOfMs = Date.parse(report.asOf);
  const { current } = host;
  if (!current || run === current) return true;
  const copied = host.runs.some(({ bootedAt }) => bootedAt === report.bootedAt);
  if (!run) return !copied || asOfMs > host.latestAsOfMs;
  if (run.bootedAt === current.bootedAt) return asOfMs > host.latestAsOfMs;
  return asOfMs > Math.min(Date.parse(current.bootedAt), current.firstSeenMs);
}

/** Whether another run than before speaks, which need not have ended. */
function isChange({ current }: Host, run: Run | undefined, nowMs: number): boolean {
  return current !== undefined && current !== run && !isSilent(current, nowMs);
}

function begin(host: Host, report: NodeReport, nowMs: number): Run {
  const { bootedAt, sequence, asOf } = report;
  const { hostname } = report.host;
  const run: Run = {
    bootedAt,
    sequence,
    asOf,
    hostname,
    firstSeenMs: nowMs,
    lastSeenMs: nowMs,
    validMs: reportValidMs(report),
  };
  host.runs.push(run);
  if (host.runs.length > MAX_RUNS) {
    const oldest = host.runs.toSorted((a, b) => a.lastSeenMs - b.lastSeenMs)[0];
    if (oldest) host.runs.splice(host.runs.indexOf(oldest), 1);
  }
  return run;
}

function goOn(
  host: Host,
  run: Run,
  report: NodeReport,
  { nowMs, returned }: { readonly nowMs: number; readonly returned: boolean },
): void {
  const { sequence, asOf } = report;
  const recent = host.returnsAtMs.filter((at) => nowMs - at < RETURNS_WITHIN_MS);
  const returns = returned && host.current !== undefined && host.current !== run;
  host.returnsAtMs = returns ? [...recent, nowMs] : recent;
  Object.assign(run, { sequence, asOf, lastSeenMs: nowMs, validMs: reportValidMs(report) });
  host.latestAsOfMs = Math.max(host.latestAsOfMs, Date.parse(asOf));
  host.current = run;
}

/** The one that was seen first is taken for the original: nothing else tells a copy from it. */
function find(host: Host, nowMs: number): CloneMark | undefined {
  if (host.returnsAtMs.length < RETURNS) return undefined;
  const [first, second] = host.runs
    .filter((run) => !isSilent(run, nowMs))
    .toSorted((a, b) => a.firstSeenMs - b.firstSeenMs);
  if (!first || !second) return undefined;
  host.kept = first;
  const seen = ({ bootedAt, sequence }: Run) => ({ bootedAt, sequence });
  host.found = {
    at: new Date(nowMs).toISOString(),
    reason: reasonOf(first, second),
    kept: seen(first),
    refused: seen(second),
  };
  return host.found;
}

/**
 * Of two machines that are known as such only one counts. It may start its agent anew: that run was first seen after the
 * last report of the one before, which the copy's was not.
 */
function counts(host: Host, run: Run, nowMs: number): boolean {
  const { kept } = host;
  if (!kept) return true;
  if (isSilent(kept, nowMs) && run.firstSeenMs > kept.lastSeenMs) host.kept = run;
  return host.kept === run;
}

function isSilent({ lastSeenMs, validMs }: Run, nowMs: number): boolean {
  return nowMs - lastSeenMs > validMs;
}

function heardSince(sinceMs: number): (run: Run) => boolean {
  return ({ lastSeenMs }) => lastSeenMs >= sinceMs;
}

function reasonOf(first: Run, second: Run): string {
  const name = ({ hostname, bootedAt }: Run): string =>
    `${hostname.slice(0, 100).toWellFormed()} (agent started ${bootedAt})`;
  return (
    `two machines report under this identity: ${name(first)}, seen first, and ${name(second)}, whose reports do not ` +
    'count; the copy needs new keys and a name of its own: hostward node revoke --help has the steps'
  );
}
