import { runBench } from './bench-suite.js';
import { runChecks } from './checks.js';
import { ofSuffix, runJest } from './jest-suite.js';
import { total } from './outcome.js';
import type { Suite } from './suite.js';
import { runAudit } from './supply.js';
import { runVms } from './vm-suite.js';

/** `budgetMinutes`: three times what it takes, by which a run that hangs is ended; tests have limits of their own. */
function jestSuite(
  name: string,
  about: string,
  suffix: string,
  workers: number,
  budgetMinutes: number,
): Suite {
  return {
    name,
    about,
    budgetMinutes,
    run: ({ root, full, timeoutMs }) =>
      runJest({
        root,
        name: `the suite ${name}`,
        files: ofSuffix(suffix),
        workers,
        timeoutMs,
        full,
      }),
  };
}

const unit = jestSuite('unit', 'pure code, beside the sources', 'spec', 2, 20);

/** Lint, types, format, import rules, dead code, and the unit tests. */
const quick: Suite = {
  name: 'quick',
  about: 'static checks and unit tests',
  budgetMinutes: 25,
  run: async (context) =>
    total([await runChecks(context.root, context.timeoutMs), await unit.run(context)]),
};

/** With a seed that is named the second one stays away. */
const ofFaults = (seed: number | undefined): string =>
  seed === undefined ? ofSuffix('fault-spec') : `(?<!/random)${ofSuffix('fault-spec')}`;

/** Two fixed seeds side by side, the second one random with `--full`, or the one that is named; what a longer one takes comes on top of the budget. */
const fault: Suite = {
  name: 'fault',
  about: 'a seeded schedule of faults, and a checker of what was seen',
  budgetMinutes: 25,
  leavesCores: true,
  run: ({ root, full, timeoutMs, seed, minutes }) =>
    runJest({
      ...{ root, full, name: 'the suite fault', files: ofFaults(seed), workers: 2 },
      timeoutMs: timeoutMs + (minutes ?? 0) * 2 * 60_000,
      env: {
        HOSTWARD_FAULT_SEED: seed?.toString(),
        HOSTWARD_FAULT_MINUTES: minutes?.toString(),
      },
    }),
};

const bench: Suite = {
  name: 'bench',
  about: 'what a change to a small fleet has Redis do, by the runs before',
  budgetMinutes: 10,
  run: runBench,
};

/** Asks the registry, so it stands apart from `quick`. */
const supply: Suite = {
  name: 'supply',
  about: 'known vulnerabilities in what is shipped',
  budgetMinutes: 6,
  run: ({ root }) => runAudit(root),
};

/** A part of `vm`, which runs it too. */
const ansible = jestSuite(
  'ansible',
  'the Ansible collection, on real hosts from bare to bare',
  'ansible.vm-spec',
  1,
  45,
);

/** Likewise. */
const bypass = jestSuite(
  'bypass',
  'every way round a rule that we know, as root and as a user',
  'bypass.vm-spec',
  1,
  15,
);

/** Suites that a run without an argument goes through, in order. */
export const ALL: readonly Suite[] = [
  quick,
  bench,
  // Four files at a time: what is waited for leaves two cores half idle.
  jestSuite('integration', 'real etcd, Redis and processes on loopback', 'int-spec', 4, 30),
  jestSuite('e2e', 'the whole product on this machine, through its CLI', 'e2e-spec', 4, 40),
  jestSuite(
    'fuzz',
    'every parser of bytes from elsewhere, against changed inputs',
    'fuzz-spec',
    2,
    20,
  ),
  fault,
  jestSuite('attack', 'attackers against the running product and its parts', 'attack-spec', 3, 40),
  supply,
  {
    name: 'vm',
    about: 'real hosts: VMs with a kernel that enforces',
    budgetMinutes: 80,
    run: runVms,
  },
];

export const SUITES: readonly Suite[] = [...ALL, unit, ansible, bypass];
