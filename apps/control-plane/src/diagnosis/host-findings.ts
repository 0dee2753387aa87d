import { failed, fine, warned, type Finding } from '#contracts';
import type { Evidence } from '../reports/report-to-status.js';
import { someOf } from './some-of.js';

/** A fault of hosts, and how to tell those that have it. */
interface HostFault {
  readonly check: string;
  readonly verdict: typeof failed;
  readonly has: (host: Evidence) => boolean;
  /** After the names: what is the matter with them. */
  readonly words: string;
  readonly well: string;
  readonly remedy: string;
}

const FAULTS: readonly HostFault[] = [
  {
    check: 'hosts-silent',
    verdict: failed,
    has: ({ freshness, report }) =>
      !freshness.fresh && freshness.cause === 'silence' && report?.redirect?.state !== 'redirected',
    words: 'do not report: what they enforce is not known',
    well: 'every host reports',
    remedy:
      'on the host: hostward-agent preflight, systemctl status hostward-agent; one that is gone: hostward node offboard NAME',
  },
  {
    check: 'hosts-clock',
    verdict: failed,
    has: ({ freshness }) => !freshness.fresh && freshness.cause === 'clock',
    words: 'have a clock that is not ours, so that their reports do not count',
    well: 'their clocks are ours',
    remedy: 'on the host: timedatectl set-ntp true',
  },
  {
    check: 'hosts-sensor',
    verdict: failed,
    has: ({ freshness }) => !freshness.fresh && freshness.cause === 'kernel-not-read',
    words:
      'report and have not read their kernel for a time: their sensor is away, or their clock is behind',
    well: 'all read their kernel',
    remedy: 'on the host: systemctl status hostward-sensor, date; what is loaded stays in force',
  },
  {
    check: 'hosts-identity',
    verdict: failed,
    has: ({ cutOff, clone }) => cutOff !== undefined || clone !== undefined,
    words: 'are cut off from Redis, or use one identity with another machine',
    well: 'none is cut off or cloned',
    remedy:
      'hostward status node NAME; a clone: hostward-agent offboard on it and enrol it anew; one that is mended: hostward node reinstate NAME',
  },
  {
    check: 'hosts-redirect',
    verdict: failed,
    has: ({ report }) => report?.redirect?.state === 'redirect-failed',
    words: 'cannot follow the redirect to another control plane',
    well: 'none is held up on its way to another control plane',
    remedy:
      'hostward redirect list, then hostward redirect show ID says why; to take it back: hostward redirect end',
  },
  {
    check: 'hosts-enforcer',
    verdict: failed,
    has: ({ report }) => report?.enforcer === 'none',
    words: 'can enforce nothing: their kernel has neither AppArmor nor BPF-LSM',
    well: 'all have an enforcer',
    remedy: 'on the host: hostward-agent preflight says what to boot it with',
  },
  {
    check: 'hosts-unbundled',
    verdict: failed,
    has: ({ unbundled }) => unbundled !== undefined,
    words: 'have more policies than a host may have, and keep what they had before',
    well: 'none has more policies than it may have',
    remedy:
      'hostward status node NAME says which limit; delete policies, or narrow what they select',
  },
  {
    check: 'hosts-refusals',
    verdict: failed,
    has: ({ report }) => report?.rejected !== undefined,
    words: 'refused what they were given last',
    well: 'none refuses what it is given',
    remedy: 'hostward status node NAME shows why',
  },
  {
    check: 'hosts-rules',
    verdict: failed,
    has: ({ report }) => rulesIn(report, 'failed') > 0,
    words: 'have rules that their kernel or parser did not take',
    well: 'no rule has failed',
    remedy: 'hostward status node NAME shows the rule and the words of the kernel',
  },
  {
    check: 'hosts-unsupported',
    verdict: warned,
    has: ({ report }) => rulesIn(report, 'unsupported') > 0,
    words: 'have rules that they cannot enforce',
    well: 'every rule is supported where it is wanted',
    remedy:
      'hostward status node NAME names what is missing; enforcer: bpf can do more than apparmor',
  },
  {
    check: 'hosts-drift',
    verdict: warned,
    has: ({ report }) => report?.drift.some(({ repairedAt }) => repairedAt === undefined) ?? false,
    words: 'have drifted: somebody changed what was loaded',
    well: 'none has drifted',
    remedy: 'hostward status node NAME; find who is root there',
  },
  {
    check: 'hosts-suspended',
    verdict: warned,
    has: ({ report }) => report?.suspension !== undefined,
    words: 'do not block for the time being',
    well: 'none is suspended',
    remedy: 'hostward get suspensions; hostward breakglass --end ID',
  },
  {
    check: 'hosts-rolled-back',
    verdict: warned,
    has: ({ report }) => report?.rolledBack !== undefined,
    words: 'took their last upgrade back, since it did not come up',
    well: 'no upgrade was taken back',
    remedy: 'hostward status node NAME says why; journalctl -u hostward-upgrade on the host',
  },
  {
    check: 'hosts-losses',
    verdict: warned,
    has: ({ report }) => lostBy(report) > 0,
    words: 'have lost events since their agent started',
    well: 'no event was lost',
    remedy: 'raise spool.maxBytes in agent.yaml, or make the rule that is hit less noisy',
  },
];

/** What is wrong with hosts, a finding for each kind of fault. `hosts` are those with an identity that counts. Pure. */
export function hostFindings(hosts: readonly Evidence[]): readonly Finding[] {
  return FAULTS.map(({ check, verdict, has, words, well, remedy }) => {
    const names = hosts.filter(has).map(({ node }) => node);
    if (names.length === 0) return fine(check, well);
    return verdict(
      check,
      `${names.length} of ${hosts.length} hosts ${words}: ${someOf(names)}`,
      remedy,
    );
  });
}

/** Versions of the agents of hosts that report, with their number. Pure. */
export function hostVersions(hosts: readonly Evidence[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { freshness, report } of hosts) {
    const version = freshness.fresh ? report?.versions.agent : undefined;
    if (version !== undefined) counts[version] = (counts[version] ?? 0) + 1;
  }
  return counts;
}

function lostBy(report: Evidence['report']): number {
  if (report === undefined) return 0;
  const { audit, spool, bpf } = report.losses;
  return Object.values<number>({ ...bpf }).reduce((sum, lost) => sum + lost, audit + spool);
}

/** As `freshnessOf` words it. */
function rulesIn(report: Evidence['report'], state: 'failed' | 'unsupported'): number {
  const rules = report?.policies.flatMap((policy) => policy.rules) ?? [];
  return rules.filter((rule) => rule.state === state).length;
}
