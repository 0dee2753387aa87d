import { describe, expect, it } from '@jest/globals';
import { check } from './checker.js';
import type { Rule } from './checks/violation.js';
import type { InForce, Line, Sighting, SuspendMode, Unstamped } from './history.js';
import { ending, entry, goodHistory, sighting, withLines } from './support/sample-history.js';

const broken = (history: readonly Line[]): readonly Rule[] => [
  ...new Set(check(history).map(({ rule }) => rule)),
];
const without = (drop: (line: Line) => boolean): Line[] => goodHistory().filter((l) => !drop(l));
const web = { web: 5 };
const end = ending({});
const labels = { env: 'prod' };
/** The machine of h1 is revoked, the name waits. */
const givenUp: Unstamped = {
  type: 'committed',
  revision: 9,
  changes: [
    { key: 'node/h1', value: { labels } },
    { key: 'revoke/id1', value: {} },
  ],
};
/** Another one has it. */
const taken: Unstamped = {
  type: 'committed',
  revision: 10,
  changes: [{ key: 'node/h1', value: { labels, enrollment: { nodeId: 'id4' } } }],
};
const lastOf = end.find((line) => line.type === 'quiet')?.final;

describe('the checker of histories', () => {
  it('finds nothing where everybody did as they should, whatever an unanswered operation came to', () => {
    expect(check(goodHistory())).toEqual([]);
    const neverHappened = without(
      (line) =>
        (line.type === 'committed' && line.revision === 6) ||
        (line.type === 'host' && line.order?.[1] === 6),
    );
    expect(broken(neverHappened).filter((rule) => rule !== 'journal')).toEqual([]);
  });

  it('takes an answer at rest that only asking again brought', () => {
    const again = goodHistory().flatMap((line): Line[] => {
      if (line.type === 'invoke' && line.op === 4)
        return [line, { at: line.at, type: 'unknown', op: 4, why: '503' }, { ...line, op: 5 }];
      return [line.type === 'ok' && line.op === 4 ? { ...line, op: 5 } : line];
    });
    expect(broken(again)).toEqual([]);
  });

  it('takes a fallback to the last known good, and to one whose confirmation nobody saw come to its end', () => {
    const bad = { type: 'host', ...sighting('h2', 10, web), confirmed: false } as const;
    const seen = withLines(bad, { type: 'host', ...fallback('h2', 8, web) });
    expect(broken(seen)).not.toContain('forward');
    const unseen = withLines(
      { type: 'host', ...sighting('h2', 9, web), confirmed: false },
      { type: 'confirming', node: 'h2', order: [1, 9, 1_009] },
      bad,
      { type: 'host', ...fallback('h2', 9, web) },
    );
    expect(broken(unseen)).not.toContain('forward');
  });

  it('takes a break-glass that is committed, and its end', () => {
    const off = [
      letOff(9),
      { type: 'host', ...sighting('h1', 9, web), suspended: 'off', kernel: 'nothing' },
      { type: 'committed', revision: 10, changes: [{ key: 'suspend/s1' }] },
      { type: 'host', ...sighting('h1', 10, web) },
    ] as const;
    expect(broken(withLines(...off))).toEqual(['journal']);
  });

  it('takes another machine under the name of one, which has nothing of what that had', () => {
    const begun = withLines(
      { type: 'denied', node: 'h1', resource: '/denied/that no store has' },
      givenUp,
      { type: 'renewed', node: 'h1' },
      taken,
      { type: 'host', ...sighting('h1', 10, web) },
    );
    expect(broken(begun)).toEqual(['journal']);
  });

  it.each<[string, Rule, Line[]]>([
    [
      'a machine that was replaced and is given something new',
      'revoked',
      withLines(givenUp, taken, { type: 'host', ...sighting('h1', 10, web) }),
    ],
    [
      'a denial of another machine under the name that is lost',
      'alerts',
      withLines(
        givenUp,
        { type: 'renewed', node: 'h1' },
        { type: 'denied', node: 'h1', resource: '/denied/9' },
        taken,
      ),
    ],
    [
      'a replacement that was answered and that etcd never had',
      'durable',
      withLines(
        { type: 'invoke', op: 9, action: { kind: 'replace', node: 'h1' } },
        { type: 'ok', op: 9 },
      ),
    ],
    [
      'a policy that nobody committed',
      'committed',
      withLines({ type: 'host', ...sighting('h1', 8, { web: 5, evil: 7 }) }),
    ],
    [
      'a forgotten tombstone',
      'committed',
      withLines({ type: 'host', ...sighting('h1', 8, { web: 5, db: 6 }) }),
    ],
    [
      'a generation that is not the one it was computed at',
      'committed',
      withLines({ type: 'host', ...sighting('h1', 9, { web: 6 }) }),
    ],
    [
      'a host that takes what is older',
      'forward',
      withLines({ type: 'host', ...sighting('h1', 5, web) }),
    ],
    [
      'a fallback that lowers the highest seen',
      'forward',
      withLines({ type: 'host', ...sighting('h1', 5, web), fellBack: true }),
    ],
    [
      'a fallback to what is older than the last known good',
      'forward',
      withLines({ type: 'host', ...fallback('h2', 5, web) }),
    ],
    [
      'a fallback to what was never confirmed',
      'forward',
      withLines(
        { type: 'host', ...sighting('h2', 9, web), confirmed: false },
        { type: 'host', ...sighting('h2', 10, web), confirmed: false },
        { type: 'host', ...fallback('h2', 9, web) },
      ),
    ],
    [
      'an order above the highest seen',
      'forward',
      withLines({ type: 'host', ...sighting('h1', 8, web), highest: [1, 5, 1_005] }),
    ],
    [
      'an acknowledgement before the kernel has it',
      'kernel',
      withLines({ type: 'host', ...sighting('h1', 8, web), kernel: 'web,5;db,6' }),
    ],
    [
      'something else in the kernel than on other hosts',
      'kernel',
      withLines({ type: 'host', ...sighting('h1', 8, web), kernel: 'nobody knows' }),
    ],
    [
      'a host that is let off though nobody ordered it',
      'suspended',
      withLines({ type: 'host', ...sighting('h1', 8, web), suspended: 'audit' }),
    ],
    [
      'a host that is let off further than was ordered',
      'suspended',
      withLines(letOff(9, 'audit'), {
        ...{ type: 'host', ...sighting('h1', 9, web), suspended: 'off' },
      }),
    ],
    [
      'a host that enforces on under a break-glass',
      'suspended',
      withLines(letOff(9), { type: 'host', ...sighting('h1', 9, web) }),
    ],
    [
      'an end of a break-glass that was answered and is none',
      'durable',
      withLines(
        letOff(9),
        { type: 'invoke', op: 9, action: { kind: 'end-suspension', reason: 'outage' } },
        { type: 'ok', op: 9 },
      ),
    ],
    [
      'enforced, said of a host that is let off',
      'said',
      withLines(
        letOff(9),
        { type: 'host', ...sighting('h1', 9, web), suspended: 'off' },
        {
          type: 'said',
          policy: 'web',
          revision: 5,
          nodes: [{ node: 'h1', state: 'enforced', generation: 9 }],
        },
      ),
    ],
    [
      'a revoked host that is given something new',
      'revoked',
      withLines({ type: 'host', ...sighting('h3', 9, web) }),
    ],
    [
      'an older assignment in the place of a newer',
      'offered',
      withLines({ type: 'offered', redis: 'redis', nodeId: 'id1', order: [1, 8, 1_007] }),
    ],
    [
      'a nudge that was dropped, made good by a check at intervals',
      'prompt',
      goodHistory().map((line) =>
        line.type === 'host' && line.order?.[1] === 8 ? { ...line, at: line.at + 3_000 } : line,
      ),
    ],
    [
      'a change at rest that a host is never given',
      'prompt',
      without((line) => line.type === 'host' && line.node === 'h2' && line.order?.[1] === 8),
    ],
    [
      'a change that is refused though nothing is broken',
      'prompt',
      goodHistory().map((line) =>
        line.type === 'ok' && line.op === 4
          ? { at: line.at, type: 'unknown', op: 4, why: '503' }
          : line,
      ),
    ],
    [
      'enforced, said of what a host never had',
      'said',
      withLines({
        type: 'said',
        policy: 'web',
        revision: 5,
        nodes: [{ node: 'h1', state: 'enforced', generation: 7 }],
      }),
    ],
    [
      'enforced, said of what a host gave up long ago',
      'said',
      withLines({
        type: 'said',
        policy: 'db',
        revision: 6,
        nodes: [{ node: 'h2', state: 'enforced', generation: 6 }],
      }),
    ],
    [
      'a nudge that was dropped, and no check at intervals',
      'settled',
      ending({ hosts: [sighting('h1', 6, { web: 5, db: 6 }), sighting('h2', 8, web)] }),
    ],
    [
      'a host that is given nothing any more',
      'settled',
      ending({ hosts: [sighting('h2', 8, web)] }),
    ],
    [
      'a status that never comes to enforced',
      'settled',
      ending({
        policies: [{ policy: 'web', revision: 5, nodes: [{ node: 'h1', state: 'enforced' }] }],
      }),
    ],
    ['a policy that the control plane has lost', 'settled', ending({ policies: [] })],
    ['a run that has no end', 'settled', without(({ type }) => type === 'quiet')],
    [
      'an answer to what etcd never had',
      'durable',
      without((line) => line.type === 'committed' && line.revision === 5),
    ],
    [
      'a refusal of what has happened',
      'durable',
      goodHistory().map((line) =>
        line.type === 'ok' && line.op === 2
          ? { at: line.at, type: 'fail', op: 2, why: '409' }
          : line,
      ),
    ],
    [
      'an answer with another revision',
      'durable',
      goodHistory().map((line) =>
        line.type === 'ok' && line.op === 2 ? { ...line, revision: 4 } : line,
      ),
    ],
    [
      'a change for which nobody asked',
      'durable',
      without((line) => 'op' in line && line.op === 4 && line.type === 'invoke'),
    ],
    [
      'an apply that happens twice',
      'durable',
      withLines({ type: 'committed', revision: 9, ...secondApply() }),
    ],
    ['changes in another order than they were answered', 'ordered', reordered()],
    [
      'a change without its entry',
      'journal',
      goodHistory().map((line) =>
        line.type === 'committed'
          ? { ...line, changes: line.changes.filter(({ key }) => key !== 'journal/head') }
          : line,
      ),
    ],
    ['an entry that is lost', 'journal', ending({ journal: [1, 2, 3, 4, 5].map(entry) })],
    ['an entry that is doubled', 'journal', ending({ journal: [1, 2, 3, 3, 4, 5, 6].map(entry) })],
    [
      'a chain that is broken',
      'journal',
      ending({
        journal: [1, 2, 3, 4, 5, 6].map((seq) =>
          seq === 4 ? { ...entry(4), prev: 'f'.repeat(64) } : entry(seq),
        ),
      }),
    ],
    ['a denial that is lost', 'alerts', ending({ alerts: lastOf?.alerts.slice(1) ?? [] })],
    [
      'a denial that is stored twice',
      'alerts',
      ending({ alerts: [...(lastOf?.alerts ?? []), ...(lastOf?.alerts ?? [])] }),
    ],
    [
      'a denial that never was',
      'alerts',
      ending({ alerts: [...(lastOf?.alerts ?? []), { node: 'h1', resource: '/x' }] }),
    ],
  ])('finds %s', (_, rule, history) => {
    expect(broken(history)).toContain(rule);
  });
});

/** Of a host that has seen what is newer. */
function fallback(node: string, revision: number, policies: InForce): Sighting {
  const { highest } = sighting(node, 10, policies);
  return { ...sighting(node, revision, policies), highest, fellBack: true, confirmed: false };
}

function letOff(revision: number, mode: SuspendMode = 'off'): Unstamped {
  const value = { reason: 'outage', mode, target: { selector: 'env=prod' } };
  return { type: 'committed', revision, changes: [{ key: 'suspend/s1', value }] };
}

function secondApply(): Pick<Extract<Line, { type: 'committed' }>, 'changes'> {
  const first = goodHistory().find((line) => line.type === 'committed' && line.revision === 5);
  const changes = first?.type === 'committed' ? first.changes : [];
  return {
    changes: changes.map((change) =>
      change.key === 'journal/head' ? { ...change, value: entry(7) } : change,
    ),
  };
}

/** A second apply of `web` that was answered, and that etcd has before the first. */
function reordered(): Line[] {
  const lines = goodHistory();
  const action = {
    kind: 'apply',
    policy: 'web',
    marker: '/m/0',
    labels: { env: 'prod' },
  } as const;
  const early = secondApply().changes.map(({ key, value }) => ({
    key,
    value: JSON.parse(JSON.stringify(value).replace('/m/1', '/m/0')) as unknown,
  }));
  return [
    ...lines.slice(0, -1),
    { at: 1, type: 'invoke', op: 9, action },
    { at: 1, type: 'committed', revision: 1, changes: early },
    { at: 1, type: 'ok', op: 9 },
    ...lines.slice(-1),
  ];
}
