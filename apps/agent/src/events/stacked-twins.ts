import type { RuleReference } from '#policy-compiler';
import type { SensorEvent } from '#sensor';

/** The kernel writes the records of one operation in one go. */
const WINDOW_MS = 100;
const MAX_KEYS = 1024;

interface Kept {
  readonly profile: string | undefined;
  readonly time: number;
}

/**
 * A process in a stack of our AppArmor profiles (`hostward//&hostward-src-...`) is judged by each, and each writes its
 * record: one denial, told once. A record of the same profile is a denial of its own and never a twin, and so is each of
 * the BPF enforcer, under which a process that runs another program becomes another subject.
 */
export class StackedTwins {
  readonly #kept = new Map<string, Kept>();

  /** Whether another profile of the stack already told of this denial; remembers it where not. */
  isTwin(event: SensorEvent, rule: RuleReference | undefined): boolean {
    if (event.enforcer === 'bpf') return false;
    const key = keyOf(event, rule);
    const { profile, time } = event;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.profile !== profile && Math.abs(time - kept.time) <= WINDOW_MS)
      return true;
    this.#kept.delete(key);
    this.#kept.set(key, { profile, time });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEYS && oldest !== undefined) this.#kept.delete(oldest);
    return false;
  }
}

function keyOf(event: SensorEvent, rule: RuleReference | undefined): string {
  const { type, pid, operation, name, target, denied, requested, capname, family } = event;
  const { policy, rule: id } = rule ?? {};
  return JSON.stringify([
    type,
    pid,
    operation,
    name,
    target,
    denied ?? requested,
    capname,
    family,
    policy,
    id,
  ]);
}
