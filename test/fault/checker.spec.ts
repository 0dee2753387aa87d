import { describe, expect, it } from '@jest/globals';
import { check } from './checker.js';
import { kernelNeverRead } from './checks/hosts.js';
import type { Rule } from './checks/violation.js';
import type { Held, InForce, Line, Sighting, Unstamped } from './history.js';
import {
  broken,
  commit,
  done,
  ending,
  givenUp,
  goodHistory,
  letOff,
  node,
  sighting,
  taken,
  withEnd,
  withLines,
} from './support/sample-history.js';

const without = (drop: (line: Line) => boolean): Line[] => goodHistory().filter((l) => !drop(l));
const web = { web: 5 };

describe('the checker of histories', () => {
  it('finds nothing where everybody did as they should, whatever an unanswered operation came to', () => {
    expect(check(goodHistory())).toEqual([]);
    const neverHappened = without(
      (line) =>
        (line.type === 'committed' && line.revision === 6) ||
        (line.type === 'host' && line.order?.[1] === 6),
    );
    expect(broken(neverHappened).filter((rule) => rule !== 'auditLog')).toEqual([]);
  });

  it('takes an answer at rest that only asking again brought', () => {
    const again = goodHistory().flatMap((line): Line[] => {
      if (line.type === 'invoke' && line.op === 4)
        return [line, { at: line.at, type: 'unknown', op: 4, why: '503' }, { ...line, op: 8 }];
      return [line.type === 'ok' && line.op === 4 ? { ...line, op: 8 } : line];
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

  it('takes hosts that each have what is theirs on their own Redis alone, and tells what is elsewhere', () => {
    const enrollment = { nodeId: 'id2', redisShard: 'b' };
    const moved = commit(9, 'node.redis-moved', 'h2', {
      key: 'node/h2',
      value: { ...node('id2'), enrollment },
    });
    const rules = (...held: readonly Held[]): readonly string[] =>
      check(withEnd({ held }, moved)).flatMap(({ rule, what }) => (rule === 'apart' ? [what] : []));
    const on = (shard: string, users: readonly string[], assignments = users): Held => ({
      ...{ shard, users, assignments },
    });
    expect(rules(on('main', ['id1']), on('b', ['id2']))).toEqual([]);
    expect(rules(on('main', ['id1', 'id2'], ['id1']), on('b', ['id2']))).toEqual([
      'main has the user of h2 (id2)',
    ]);
    expect(rules(on('main', ['id1']), on('b', ['id2'], ['id1', 'id2', 'id3']))).toEqual([
      'b has the assignment of h1 (id1)',
      'b has the assignment of h3 (id3)',
    ]);
    expect(rules(on('main', ['id1']), on('b', [], ['id2']))).toEqual(['b has no user of h2 (id2)']);
  });

  it('takes a break-glass that is committed, and its end', () => {
    const off = [
      ...letOff(9),
      { type: 'host', ...sighting('h1', 9, web), suspended: 'off', kernel: 'nothing' },
      ...done(
        31,
        { kind: 'end-suspension', reason: 'outage' },
        commit(10, 'suspension.ended', 's1', { key: 'suspend/s1' }),
      ),
      { type: 'host', ...sighting('h1', 10, web) },
    ] as const;
    expect(broken(withLines(...off))).toEqual([]);
  });

  it('takes of what a full disk has no room for what it says of a break-glass, where it was offered by then', () => {
    const before = { type: 'host', ...sighting('h1', 8, web) } as const;
    const ahead = { ...before, suspended: 'off' } as const;
    const taken = { ...ahead, ...sighting('h1', 9, web) };
    const [full, hasRoom] = [true, false].map((isFull): Unstamped => {
      return { type: 'disk', node: 'h1', isFull };
    }) as [Unstamped, Unstamped];
    const offer = { type: 'offered', redis: 'redis', nodeId: 'id1', order: [1, 9, 1_009] } as const;
    const isFound = (...lines: readonly Unstamped[]): boolean =>
      broken(withLines(before, ...letOff(9), ...lines)).includes('suspended');
    expect(isFound(full, offer, ahead, hasRoom, ahead, taken)).toBe(false);
    expect(isFound(full, hasRoom, offer, ahead)).toBe(true);
    expect(isFound(full, ahead)).toBe(true);
    expect(isFound(offer, ahead)).toBe(true);
    expect(isFound(full, offer, hasRoom, taken, { ...taken, suspended: undefined })).toBe(true);
  });

  it('takes another machine under the name of one, which has nothing of what that had', () => {
    const begun = withLines(
      { type: 'denied', node: 'h1', resource: '/denied/that no store has' },
      ...givenUp,
      ...taken,
      { type: 'host', ...sighting('h1', 10, web) },
    );
    expect(broken(begun)).toEqual([]);
  });

  it('takes enforced everywhere, said of all hosts but one that has moved meanwhile', () => {
    const history = withLines(
      ...done(
        10,
        { kind: 'label', node: 'h3', labels: { env: 'dev' } },
        commit(9, 'node.labelled', 'h3', { key: 'node/h3', value: node('id3', { env: 'dev' }) }),
      ),
      everywhere('h1', 'h2'),
    );
    expect(broken(history)).toEqual([]);
  });

  it.each<[string, Rule, Line[]]>([
    [
      'enforced everywhere, said of a policy that one of its hosts does not have',
      'said',
      withLines({
        ...everywhere('h1', 'h2'),
        nodes: [
          { node: 'h1', state: 'enforced', generation: 8 },
          { node: 'h2', state: 'delivered', generation: 8 },
        ],
      }),
    ],
    [
      'enforced everywhere, said of a policy without one of its hosts',
      'said',
      withLines(everywhere('h1', 'h2')),
    ],
    ['enforced everywhere, said of no host', 'said', withLines(everywhere())],
    [
      'a host that is let off when all is over',
      'settled',
      ending({ hosts: [{ ...sighting('h1', 8, web), suspended: 'off' }, sighting('h2', 8, web)] }),
    ],
    [
      'a machine that was replaced and is given something new',
      'revoked',
      withLines(...givenUp, ...taken, { type: 'host', ...sighting('h1', 10, web) }).filter(
        ({ type }) => type !== 'renewed',
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
      withLines(...letOff(9, 'audit'), {
        ...{ type: 'host', ...sighting('h1', 9, web), suspended: 'off' },
      }),
    ],
    [
      'a host that enforces on under a break-glass',
      'suspended',
      withLines(...letOff(9), { type: 'host', ...sighting('h1', 9, web) }),
    ],
    [
      'enforced, said of a host that is let off',
      'said',
      withLines(
        ...letOff(9),
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
  ])('finds %s', (_, rule, history) => {
    expect(broken(history)).toContain(rule);
  });
});

describe('a run in which many states of hosts were seen', () => {
  const seen = (kernel: string | undefined): Line[] =>
    Array.from({ length: 30 }, (_, at) => ({
      ...{ at, type: 'host', ...sighting('h1', 8, web), kernel: at === 7 ? kernel : undefined },
    }));

  it('looked into a kernel at one of them, or has judged no kernel', () => {
    expect(kernelNeverRead(seen('web,5'))).toEqual([]);
    expect(kernelNeverRead(seen(undefined).slice(1))).toEqual([]);
    expect(kernelNeverRead(seen(undefined))).toEqual([
      'kernel: 30 states of hosts, none with what the kernel had',
    ]);
  });
});

function everywhere(...names: readonly string[]): Unstamped<Line & { type: 'said' }> {
  const nodes = names.map((each) => ({ node: each, state: 'enforced', generation: 8 }));
  return { type: 'said', policy: 'web', revision: 5, everywhere: true, nodes };
}

/** Of a host that has seen what is newer. */
function fallback(node: string, revision: number, policies: InForce): Sighting {
  const { highest } = sighting(node, 10, policies);
  return { ...sighting(node, revision, policies), highest, fellBack: true, confirmed: false };
}
