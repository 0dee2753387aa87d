import { createHash } from 'node:crypto';
import {
  type Compilation,
  compileRuleSet,
  type HostCapabilities,
  type Plan,
} from '#policy-compiler';
import type { RuleSet } from '#policy-model';
import type { Parsed, PolicyParser } from './apparmor-parser.js';
import type { Host } from './host-facts.js';
import { withDropIns } from './unit-drop-ins.js';
import type { DropIn } from './units.js';

/** Binary policy of the three variants; empty where the host has no AppArmor. */
interface Binaries {
  readonly enforce: Buffer;
  readonly audit: Buffer;
  readonly open: Buffer;
}

export interface Compiled {
  readonly compilation: Compilation;
  readonly binaries: Binaries;
  /** Tells what the binaries were made from, then by; empty where there are none. */
  readonly effect: Buffer;
  readonly dropIns: readonly DropIn[];
}

/** The parser gave no policy, and it cannot be told which rules are at fault. */
export class ParserFailedError extends Error {
  override readonly name = 'ParserFailedError';
}

/** Too little time, which says nothing about the rules: the host may be slow or busy. */
export class OutOfTimeError extends Error {
  override readonly name = 'OutOfTimeError';
}

const MAX_ATTEMPTS = 100;
const NOTHING: Binaries = {
  enforce: Buffer.alloc(0),
  audit: Buffer.alloc(0),
  open: Buffer.alloc(0),
};

/**
 * Compiles a rule set down to binary policy. Rules that the host's parser refuses are found and reported `failed` with
 * its words, so that they take no other rule down. Where it cannot be told which rules are at fault the whole set is
 * refused: the host then keeps what it enforces, while leaving out rules that may be sound would open it.
 */
export async function compilePolicies(
  ruleSet: RuleSet,
  host: Host,
  deadlineMs: number,
): Promise<Compiled> {
  const compiled = await binaryPolicy(ruleSet, host, deadlineMs);
  return withDropIns(compiled, host);
}

type BinaryPolicy = Omit<Compiled, 'dropIns'>;

async function binaryPolicy(
  ruleSet: RuleSet,
  { parser, capabilities }: Host,
  deadlineMs: number,
): Promise<BinaryPolicy> {
  if (parser === undefined) {
    const compilation = compileRuleSet(ruleSet, capabilities);
    return { compilation, binaries: NOTHING, effect: empty() };
  }
  const share = (part: number): number => Date.now() + (deadlineMs - Date.now()) * part;
  const first = await attempt(ruleSet, capabilities, parser, share(0.8));
  if ('binaries' in first) return first;
  if (first.stopped !== undefined) throw stoppedError(first);
  const finder = new FaultFinder(ruleSet, capabilities, parser, share(0.7));
  const rejected = await finder.find(first.message);
  const second = await attempt(ruleSet, { ...capabilities, rejected }, parser, deadlineMs);
  if ('binaries' in second) return second;
  throw stoppedError(second);
}

function stoppedError({ message, stopped }: Refused): Error {
  if (stopped === 'time')
    return new OutOfTimeError(`${message}: this host is slow or busy, or patterns are costly`);
  if (stopped === 'memory')
    return new ParserFailedError(`${message}; patterns are the usual cause`);
  return new ParserFailedError(message);
}

type Refused = Extract<Parsed, { readonly ok: false }>;

async function attempt(
  ruleSet: RuleSet,
  capabilities: HostCapabilities,
  parser: PolicyParser,
  deadlineMs: number,
): Promise<BinaryPolicy | Refused> {
  const compilation = compileRuleSet(ruleSet, capabilities);
  const { texts } = compilation;
  const { enforce, audit, open } = texts;
  const parsed = await Promise.all(
    [enforce, audit, open].map((text) => parser.compile(text, deadlineMs)),
  );
  const failed = parsed.find((result) => !result.ok);
  if (failed !== undefined && !failed.ok) return failed;
  const [first, second, third] = parsed.map(binaryOf);
  return {
    compilation,
    binaries: { enforce: first ?? empty(), audit: second ?? empty(), open: third ?? empty() },
    effect: Buffer.concat([sha256(JSON.stringify(texts)), sha256(parser.version)]),
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function binaryOf(parsed: Parsed): Buffer {
  return parsed.ok ? parsed.binary : empty();
}

function empty(): Buffer {
  return Buffer.alloc(0);
}

/** Finds the rules that the parser refuses: each half of a set that fails is tried by itself, down to single rules. */
class FaultFinder {
  private attempts = 0;
  private readonly faults = new Map<string, string>();
  private readonly all: readonly string[];

  constructor(
    private readonly ruleSet: RuleSet,
    private readonly capabilities: HostCapabilities,
    private readonly parser: PolicyParser,
    private readonly deadlineMs: number,
  ) {
    this.all = liveRules(compileRuleSet(ruleSet, capabilities));
  }

  /** Refused rules by `POLICY/RULE`, with the parser's words. @throws ParserFailedError, OutOfTimeError when it cannot tell */
  async find(message: string): Promise<ReadonlyMap<string, string>> {
    await this.search(this.all, message);
    return this.faults;
  }

  /** `message`: what the parser said when it was given no other rules than the suspects. */
  private async search(suspects: readonly string[], message: string): Promise<void> {
    const [only, ...more] = suspects;
    if (only === undefined) throw new ParserFailedError(message);
    if (more.length === 0) {
      this.faults.set(only, message);
      return;
    }
    const before = this.faults.size;
    const middle = Math.ceil(suspects.length / 2);
    for (const half of [suspects.slice(0, middle), suspects.slice(middle)]) {
      const words = await this.tryOnly(half);
      if (words !== undefined) await this.search(half, words);
    }
    if (this.faults.size === before)
      throw new ParserFailedError(`rules fail only together: ${message}`);
  }

  /** The parser's words about these rules alone; undefined when it takes them. */
  private async tryOnly(keys: readonly string[]): Promise<string | undefined> {
    this.attempts += 1;
    if (this.attempts > MAX_ATTEMPTS)
      throw new ParserFailedError('too many rules are refused by the parser');
    const kept = new Set(keys);
    const others = this.all.filter((key) => !kept.has(key));
    const rejected = new Map(others.map((key) => [key, 'left out for a trial']));
    const { texts } = compileRuleSet(this.ruleSet, { ...this.capabilities, rejected });
    const parsed = await Promise.all(
      [texts.enforce, texts.audit].map((text) => this.parser.compile(text, this.deadlineMs)),
    );
    const failed = parsed.find((one) => !one.ok);
    if (failed === undefined || failed.ok) return undefined;
    if (failed.stopped !== undefined) throw stoppedError(failed);
    return failed.message;
  }
}

/** Those that are in the text, or would be without another one. */
const LIVE: ReadonlySet<Plan> = new Set(['enforce', 'audit', 'overruled']);

function liveRules({ report }: Compilation): readonly string[] {
  return report.policies.flatMap(({ policy, rules }) =>
    rules.filter(({ plan }) => LIVE.has(plan)).map(({ id }) => `${policy}/${id}`),
  );
}
