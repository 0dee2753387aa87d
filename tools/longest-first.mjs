// The order in which Jest starts files: those that take minutes first, the longest of them at the head, so that no worker
// is left with one of them when the others have ended. The rest comes after, larger files first.
import { statSync } from 'node:fs';
import { basename } from 'node:path';

/** Longest first, within a suite: files whose size tells nothing of their time. */
const LONG = [
  'seed.fault-spec.ts',
  'random.fault-spec.ts',
  'bench.e2e-spec.ts',
  'sim.e2e-spec.ts',
  'cli.e2e-spec.ts',
  'backup.e2e-spec.ts',
  'package.e2e-spec.ts',
  'containers.e2e-spec.ts',
  'revocation.attack-spec.ts',
  'redis-host.attack-spec.ts',
  'audit-log-heads.attack-spec.ts',
];

/** What Jest asks of a sequencer, but for a cache of earlier runs: the order is the same wherever it runs. */
export default class LongestFirst {
  sort(tests) {
    return tests
      .map((test) => ({ test, rank: rankOf(test.path), bytes: statSync(test.path).size }))
      .sort((a, b) => a.rank - b.rank || b.bytes - a.bytes)
      .map(({ test }) => test);
  }

  allFailedTests() {
    throw new Error(
      '--onlyFailures needs a cache of earlier runs, which there is not: name the file',
    );
  }

  cacheResults() {}
}

function rankOf(path) {
  const rank = LONG.indexOf(basename(path));
  return rank === -1 ? LONG.length : rank;
}
