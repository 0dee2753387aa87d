import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DebianRelease, Vm } from '#testing';
import { eventually } from '../e2e/support/eventually.js';
import { Fleet } from '../e2e/support/fleet.js';
import { type Case, type Enforcer, ROOT } from './case.js';
import { GROUPS } from './cases.js';
import { namesOf, policiesOf, SETUP, TOOLS } from './support/set-up.js';

const MINUTES = 60_000;
const ACT = new URL('support/act.py', import.meta.url);
const DENIED = new Set([1, 13]); // EPERM, EACCES

/** What was seen, by group and number of the case. */
type Outcomes = ReadonlyMap<string, number>;

const titles = GROUPS.map((group) => ({ ...group, cases: group.cases.map(titled) }));

function titled(one: Case, index: number) {
  const { op, object, to, as, uid, terminal, args = [] } = one;
  const who = [
    ...[as, uid === undefined ? undefined : `uid ${uid}`],
    terminal === true ? 'one at a terminal' : undefined,
  ].filter((word) => word !== undefined);
  const said = args.length > 4 ? [`with ${args.length} arguments`] : args.map(quoted);
  const what = [`${op} ${object}`, ...said, ...(to === undefined ? [] : [`to ${to}`])].join(' ');
  return { ...one, index, title: who.length === 0 ? what : `${what} by ${who.join(', ')}` };
}

function quoted(argument: string): string {
  return JSON.stringify(argument);
}

interface Host {
  readonly enforcer: Enforcer;
  /** What its owner asked for. */
  readonly wish: Enforcer | 'auto';
  readonly release: DebianRelease;
  readonly kernel: string;
}
const HOSTS: readonly Host[] = [
  { enforcer: 'apparmor', wish: 'apparmor', release: 'trixie', kernel: '6.12' },
  { enforcer: 'bpf', wish: 'auto', release: 'trixie', kernel: '6.12' },
  { enforcer: 'bpf', wish: 'auto', release: 'bookworm', kernel: '6.1' },
];

/** Each rule set means the same on each enforcer, or the case says why it cannot (D5). */
describe.each(HOSTS)('the matrix of cases on $enforcer, kernel $kernel', (host) => {
  const { enforcer, wish, release, kernel } = host;
  let fleet: Fleet;
  let outcomes: Outcomes;

  beforeAll(async () => {
    fleet = await Fleet.start({ release });
    const vm = await fleet.host('matrix', 'env=conform', wish);
    expect((await vm.ssh('uname -r')).stdout.startsWith(`${kernel}.`)).toBe(true);
    await vm.ssh(SETUP, { timeoutMs: MINUTES });
    await vm.writeFile(`${TOOLS}/act.py`, readFileSync(ACT, 'utf8'));
    await fleet.product.apply(policiesOf({ env: 'conform' }));
    await eventually('every policy has its state', 8 * MINUTES, () => isSettled(fleet, enforcer));
    outcomes = await actOut(vm);
  }, 15 * MINUTES);
  afterAll(() => fleet?.close());

  it('says which enforcer it has, and why', async () => {
    const { stdout } = await fleet.product.cli(['status', 'node', 'matrix', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      enforcer,
      enforcerReason: expect.stringMatching(
        wish === 'auto' ? /^BPF-LSM denied/ : /^agent.yaml asks for it; it judges by path alone/,
      ),
    });
  });

  describe.each(titles)('$name', ({ name, cases }) => {
    it.each(cases)('$expect: $title', ({ index, expect: wanted, unlike }) => {
      const error = outcomes.get(`${name}/${index}`);
      const reason = unlike?.[enforcer];
      const otherwise = wanted === 'denied' ? 'allowed' : 'denied';
      expect({ verdict: verdictOf(error), reason }).toEqual({
        verdict: reason === undefined ? wanted : otherwise,
        reason,
      });
    });
  });
});

/** Whether the host says of every policy what this enforcer should: in force, or unsupported. */
async function isSettled({ product }: Fleet, enforcer: Enforcer): Promise<boolean> {
  const { policies } = await product.nodeStatus('matrix');
  return namesOf(enforcer).every(({ name, supported }) => {
    const rules = policies.find(({ policy }) => policy === name)?.rules ?? [];
    const wanted: readonly string[] = supported ? ['enforced', 'audited'] : ['unsupported'];
    return rules.length > 0 && rules.every(({ state }) => wanted.includes(state));
  });
}

function verdictOf(error: number | undefined): string {
  if (error === 0) return 'allowed';
  if (error !== undefined && DENIED.has(error)) return 'denied';
  return error === undefined ? 'not acted out' : `errno ${error}`;
}

/** All cases, in order, by one process for each program that acts. */
async function actOut(vm: Vm): Promise<Outcomes> {
  const seen = new Map<string, number>();
  const programs = new Set(GROUPS.flatMap(({ cases }) => cases.map(({ as }) => as)));
  for (const program of programs) {
    const wanted = GROUPS.flatMap(({ name, cases }) =>
      cases.flatMap((one, index) =>
        one.as === program ? [{ ...one, ...paths(name, one), id: `${name}/${index}` }] : [],
      ),
    );
    const python = program === undefined ? '/usr/bin/python3' : `${TOOLS}/${program}`;
    const { stdout } = await vm.ssh([python, `${TOOLS}/act.py`], {
      input: JSON.stringify(wanted),
      timeoutMs: 5 * MINUTES,
    });
    for (const [id, error] of Object.entries(JSON.parse(stdout) as Record<string, number>)) {
      seen.set(id, error);
    }
  }
  return seen;
}

function paths(group: string, { op, object, to }: Case): Partial<Case> {
  if (op === 'socket' || op === 'capability' || op === 'query' || op === 'unnamed') return {};
  const whole = (path: string): string =>
    path.startsWith('/') ? path : `${ROOT}/${group}/${path}`;
  return { object: whole(object), ...(to === undefined ? {} : { to: whole(to) }) };
}
