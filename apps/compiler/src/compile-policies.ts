import { type Compilation, compileRuleSet, type HostCapabilities } from '#policy-compiler';
import type { RuleSet } from '#policy-model';
import type { Parsed, PolicyParser } from './apparmor-parser.js';
import type { Host } from './host-facts.js';

/** Binary policy of the three variants; empty where the host has no AppArmor. */
export interface Binaries {
  readonly enforce: Buffer;
  readonly audit: Buffer;
  readonly open: Buffer;
}

export interface Compiled {
  readonly compilation: Compilation;
  readonly binaries: Binaries;
}

/** The parser takes not even a profile without rules: nothing can be compiled on this host now. */
export class ParserFailedError extends Error {
  override readonly name = 'ParserFailedError';
}

const MAX_ATTEMPTS = 64;
const NOTHING: Binaries = {
  enforce: Buffer.alloc(0),
  audit: Buffer.alloc(0),
  open: Buffer.alloc(0),
};

/**
 * Compiles a rule set down to binary policy. Rules that the host's parser refuses are found and reported `failed` with
 * its words, so that they take no other rule down.
 */
export async function compilePolicies(
  ruleSet: RuleSet,
  host: Host,
  deadlineMs: number,
): Promise<Compiled> {
  const { parser, capabilities } = host;
  if (parser === undefined)
    return { compilation: compileRuleSet(ruleSet, capabilities), binaries: NOTHING };
  const share = (part: number): number => Date.now() + (deadlineMs - Date.now()) * part;
  const first = await attempt(ruleSet, capabilities, parser, share(0.4));
  if ('binaries' in first) return first;
  const rejected = await new FaultFinder(ruleSet, capabilities, parser, share(0.6)).find(
    first.message,
  );
  const second = await attempt(ruleSet, { ...capabilities, rejected }, parser, deadlineMs);
  if ('binaries' in second) return second;
  throw new ParserFailedError(second.message);
}

async function attempt(
  ruleSet: RuleSet,
  capabilities: HostCapabilities,
  parser: PolicyParser,
  deadlineMs: number,
): Promise<Compiled | { readonly message: string }> {
  const compilation = compileRuleSet(ruleSet, capabilities);
  const { enforce, audit, open } = compilation.texts;
  const parsed = await Promise.all(
    [enforce, audit, open].map((text) => parser.compile(text, deadlineMs)),
  );
  const failed = parsed.find((result) => !result.ok);
  if (failed !== undefined && !failed.ok) return { message: failed.message };
  const [first, second, third] = parsed.map(binaryOf);
  return {
    compilation,
    binaries: { enforce: first ?? empty(), audit: second ?? empty(), open: third ?? empty() },
  };
}

function binaryOf(parsed: Parsed): Buffer {
  return parsed.ok ? parsed.binary : empty();
}

function empty(): Buffer {
  return Buffer.alloc(0);
}

/**
 * Finds the rules that the parser refuses: each half of a set that fails is tried by itself, down to single rules. Rules
 * that fail only together, or that time did not reach, all count as refused: the others are then known to be sound.
 */
class FaultFinder {
  private attempts = 0;

  constructor(
    private readonly ruleSet: RuleSet,
    private readonly capabilities: HostCapabilities,
    private readonly parser: PolicyParser,
    private readonly deadlineMs: number,
  ) {}

  async find(message: string): Promise<ReadonlyMap<string, string>> {
    const all = compileRuleSet(this.ruleSet, this.capabilities)
      .report.policies.flatMap(({ policy, rules }) =>
        rules.map((rule) => ({ key: `${policy}/${rule.id}`, plan: rule.plan })),
      )
      .filter(({ plan }) => plan === 'enforce' || plan === 'audit')
      .map(({ key }) => key);
    const faults = new Map<string, string>();
    await this.search(all, all, message, faults);
    return faults;
  }

  /** `message`: what the parser said of `suspects` when they were tried without all other rules. */
  private async search(
    suspects: readonly string[],
    all: readonly string[],
    message: string,
    faults: Map<string, string>,
  ): Promise<void> {
    if (suspects.length <= 1) {
      for (const key of suspects) faults.set(key, message);
      return;
    }
    const middle = Math.ceil(suspects.length / 2);
    let found = false;
    for (const half of [suspects.slice(0, middle), suspects.slice(middle)]) {
      const answer = await this.tryOnly(half, all);
      if (answer === undefined) continue;
      found = true;
      await this.search(half, all, answer, faults);
    }
    if (!found)
      for (const key of suspects.slice(middle))
        faults.set(key, `together with other rules: ${message}`);
  }

  /** The parser's words about these rules alone; undefined when it takes them. */
  private async tryOnly(
    keys: readonly string[],
    all: readonly string[],
  ): Promise<string | undefined> {
    this.attempts += 1;
    if (this.attempts > MAX_ATTEMPTS)
      return 'not tried: too many rules of this host were refused before it';
    const kept = new Set(keys);
    const rejected = new Map(
      all.filter((key) => !kept.has(key)).map((key) => [key, 'left out for a trial']),
    );
    const shareMs = Date.now() + Math.max(1000, (this.deadlineMs - Date.now()) / 6);
    const { texts } = compileRuleSet(this.ruleSet, { ...this.capabilities, rejected });
    const deadlineMs = Math.min(shareMs, this.deadlineMs);
    const parsed = await Promise.all(
      [texts.enforce, texts.audit].map((text) => this.parser.compile(text, deadlineMs)),
    );
    return parsed.flatMap((one) => (one.ok ? [] : [one.message]))[0];
  }
}
