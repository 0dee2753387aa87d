import { describe, expect, it } from '@jest/globals';
import {
  reportValidMs,
  type NodeReport,
  type AssignmentVersion,
  type RuleState,
  type RuleStatus,
} from '#contracts';
import { freshnessOf } from './freshness.js';
import { nodeStatus } from './node-status.js';
import { policyRemains } from './policy-remains.js';
import { policyStatus } from './policy-status.js';
import type { Delivered, Evidence, WantedPolicy } from './report-to-status.js';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const DIGEST = 'a'.repeat(64);

const policy: WantedPolicy = {
  name: 'block-sleep',
  revision: '40',
  payload: 'signed',
  paused: false,
  rules: [
    { id: 'process/matchPaths/0', keptBy: ['enforced'], takes: true },
    { id: 'file/matchPaths/0', keptBy: ['audited', 'enforced'], takes: false },
  ],
};

const delivered: Delivered = {
  epoch: '1',
  generation: '41',
  bundleDigest: DIGEST,
  policies: new Map([['block-sleep', { revision: '40', payload: 'signed' }]]),
};

function report(over: Partial<NodeReport> = {}, first: RuleState = 'enforced'): NodeReport {
  return {
    v: 1,
    nodeId: 'b'.repeat(64),
    sequence: 5,
    bootedAt: '2026-03-01T11:00:00.000Z',
    asOf: '2026-03-01T12:00:00.000Z',
    enforcer: 'apparmor',
    applied: { epoch: '1', generation: '41', issuedAt: NOW, bundleDigest: DIGEST },
    conditions: [],
    drift: [],
    policies: [
      {
        policy: 'block-sleep',
        revision: '40',
        rules: [
          { id: 'process/matchPaths/0', state: first, proof: 'probe' },
          { id: 'file/matchPaths/0', state: 'audited' },
        ],
      },
    ],
    host: { hostname: 'web1', kernel: '6.12', lsm: ['apparmor'] },
    versions: { agent: '1', sensor: '1' },
    losses: { audit: 0, spool: 0 },
    ...over,
  };
}

function evidence(over: Partial<Evidence> = {}, ageMs = 0): Evidence {
  const held = over.report && { report: over.report, receivedAtMs: NOW - ageMs };
  return { node: 'web1', delivered, freshness: freshnessOf(held, NOW), ...over };
}

function outcome(each: Evidence, wanted = policy) {
  const status = policyStatus(wanted, [each]);
  return { everywhere: status.enforcedEverywhere, state: status.nodes[0]?.state };
}

describe('where a policy remains', () => {
  const without: Delivered = { ...delivered, policies: new Map() };
  const behind = { epoch: '1', generation: '40', issuedAt: NOW, bundleDigest: 'c'.repeat(64) };
  const rejected = { code: 'x', message: 'no room', at: '2026-03-01T12:00:00.000Z' };
  const silent = freshnessOf({ report: report(), receivedAtMs: NOW }, NOW + 1e9);
  const remainsOf = (over: Partial<Evidence>): string | undefined =>
    policyRemains('block-sleep', [evidence({ delivered: without, ...over })], true).nodes[0]
      ?.reason;

  it.each<[string, Partial<Evidence>, RegExp]>([
    ['the host has not been told', { delivered, report: report() }, /not been told yet/],
    ['it cannot be told', { delivered, unbundled: 'too many' }, /keeps what it has/],
    ['it has not reported at all', {}, /not reported what it enforces/],
    [
      'it has not reported to a control plane that has just started',
      { delivered: undefined },
      /not reported what it enforces/,
    ],
    [
      'it does not name it, to one that does not know yet what was written',
      { delivered: undefined, report: report({ policies: [] }) },
      /not known yet/,
    ],
    ['it names the policy', { report: report({ applied: behind }) }, /has it still/],
    [
      'it named the policy and fell silent',
      { report: report({ applied: behind }), freshness: silent },
      /^it had it when last heard: the host has not/,
    ],
    [
      'it rejects what it is to have',
      { report: report({ applied: behind, rejected: { ...rejected, generation: '41' } }) },
      /rejected it: x: no room/,
    ],
    [
      'it was told the policy after its last report, maybe',
      { report: report({ applied: behind, policies: [] }) },
      /what it was told last/,
    ],
  ])('is told where %s', (_title, over, reason) => {
    expect(remainsOf(over)).toMatch(reason);
  });

  it.each<[string, Partial<Evidence>]>([
    ['has applied what it is to have without it', { report: report({ policies: [] }) }],
    [
      'did not name it when it fell silent',
      { report: report({ applied: behind, policies: [] }), freshness: silent },
    ],
    [
      'can be given nothing new, and does not name it',
      { delivered: undefined, unbundled: 'too many', report: report({ policies: [] }) },
    ],
    [
      'rejects what it is to have, and does not name it',
      {
        report: report({
          applied: behind,
          policies: [],
          rejected: { ...rejected, generation: '41' },
        }),
      },
    ],
  ])('is not on a host that %s', (_title, over) => {
    expect(remainsOf(over)).toBeUndefined();
  });

  it('counts all hosts and names a hundred', () => {
    const many = Array.from({ length: 120 }, () => evidence({ delivered: without }));
    const { hosts, nodes } = policyRemains('block-sleep', many, true);
    expect([hosts, nodes.length]).toEqual([120, 100]);
  });
});

describe('the status of a policy', () => {
  it('is enforced everywhere when each rule keeps its promise by a fresh report of this revision', () => {
    expect(outcome(evidence({ report: report() }))).toEqual({ everywhere: true, state: 'audited' });
  });

  it('does not say enforced of what an exception allows on the host', () => {
    const excepted = new Map([['block-sleep', { id: 'e1', until: '2026-03-02T00:00:00.000Z' }]]);
    const status = policyStatus(policy, [evidence({ report: report(), excepted })]);
    expect(status.enforcedEverywhere).toBe(false);
    expect(status.nodes[0]?.rules[0]).toMatchObject({
      state: 'delivered',
      reason: 'exception e1 allows it until 2026-03-02T00:00:00.000Z',
    });
    const undone = report({}, 'delivered');
    expect(
      policyStatus(policy, [evidence({ report: undone, excepted })]).nodes[0]?.rules[0],
    ).toEqual(status.nodes[0]?.rules[0]);
    expect(status.nodes[0]?.rules[1]).toMatchObject({ state: 'audited' });
    const other = new Map([['other', { id: 'e1', until: 'x' }]]);
    expect(outcome(evidence({ report: report(), excepted: other })).everywhere).toBe(true);
  });

  it('is not made of a report from before something else was ordered, though the same is ordered again', () => {
    const [before, first, now] = ['41', '42', '43'].map((generation) => ({
      ...{ epoch: '1', generation, issuedAt: NOW },
    })) as [AssignmentVersion, AssignmentVersion, AssignmentVersion];
    const by = (applied: AssignmentVersion, since?: AssignmentVersion) =>
      outcome(
        evidence({
          delivered: { ...delivered, generation: now.generation, first: since },
          report: report({ applied: { ...applied, bundleDigest: DIGEST } }),
        }),
      );
    expect(by(before, first)).toEqual({ everywhere: false, state: 'delivered' });
    expect(by(first, first)).toEqual({ everywhere: true, state: 'audited' });
    expect(by(now, first)).toEqual({ everywhere: true, state: 'audited' });
    expect(by(before)).toEqual({ everywhere: true, state: 'audited' });
  });

  it('says why a host keeps what it has, where what it is to have exceeds a limit', () => {
    const old = { ...delivered, policies: new Map() };
    const held = evidence({ delivered: old, unbundled: 'bundle: too much', report: report() });
    const reason =
      'the host keeps what it has, since its policies exceed a limit: bundle: too much';
    expect(policyStatus(policy, [held])).toMatchObject({
      nodes: [{ state: 'pending', rules: [{ reason }, { reason }] }],
      summary: [{ reasons: [{ reason }] }],
    });
    expect(outcome(evidence({ unbundled: 'bundle: too much', report: report() }))).toEqual({
      everywhere: true,
      state: 'audited',
    });
  });

  it('is not enforced everywhere while a part of the fleet cannot be read', () => {
    const status = policyStatus(policy, [evidence({ report: report() })], false);
    expect(status).toMatchObject({ enforcedEverywhere: false, nodes: [{ state: 'audited' }] });
  });

  it('is not enforced everywhere when it selects no host', () => {
    expect(policyStatus(policy, [])).toMatchObject({ enforcedEverywhere: false, selected: 0 });
  });

  it.each<[string, Partial<Evidence>, string]>([
    ['nothing was delivered', { delivered: undefined, report: report() }, 'pending'],
    ...(
      [
        ['an older revision', { revision: '39', payload: 'signed' }],
        ['another document of before etcd was restored', { revision: '40', payload: 'other' }],
      ] as const
    ).map(([what, version]): [string, Partial<Evidence>, string] => [
      `${what} was delivered`,
      {
        delivered: { ...delivered, policies: new Map([['block-sleep', version]]) },
        report: report(),
      },
      'pending',
    ]),
    ['the host never reported', {}, 'delivered'],
    [
      'the host has applied an older generation of another bundle',
      {
        report: report({
          applied: { epoch: '1', generation: '40', issuedAt: 1, bundleDigest: 'c'.repeat(64) },
        }),
      },
      'delivered',
    ],
    [
      'the host is of another epoch',
      {
        report: report({
          applied: { epoch: '2', generation: '99', issuedAt: 1, bundleDigest: 'c'.repeat(64) },
        }),
      },
      'delivered',
    ],
    [
      'the host has applied a greater generation of another bundle, as after a restore of etcd',
      {
        report: report({
          applied: { epoch: '1', generation: '99', issuedAt: 1, bundleDigest: 'c'.repeat(64) },
        }),
      },
      'delivered',
    ],
    [
      'the kernel was last read back minutes ago, though the agent goes on reporting',
      { report: report({ asOf: '2026-03-01T11:58:00.000Z' }) },
      'unknown',
    ],
    ['the host has applied nothing', { report: report({ applied: undefined }) }, 'delivered'],
    [
      'the report is about another revision of the policy',
      { report: report({ policies: [{ policy: 'block-sleep', revision: '39', rules: [] }] }) },
      'delivered',
    ],
    [
      'the report leaves rules out',
      { report: report({ policies: [{ policy: 'block-sleep', revision: '40', rules: [] }] }) },
      'unknown',
    ],
    ['a rule failed', { report: report({}, 'failed') }, 'failed'],
    ['a block is only audited', { report: report({}, 'audited') }, 'audited'],
    ['a rule is unsupported', { report: report({}, 'unsupported') }, 'unsupported'],
  ])('does not say enforced when %s', (_title, over, state) => {
    expect(outcome(evidence(over))).toEqual({ everywhere: false, state });
  });

  it.each(['drifted', 'stale', 'unconfirmed', 'suspended'] as const)(
    'does not say enforced everywhere under the condition %s',
    (condition) => {
      const qualified = evidence({ report: report({ conditions: [condition] }) });
      expect(outcome(qualified).everywhere).toBe(false);
    },
  );

  it('says of a simulated host that it is one, and takes it for what it says', () => {
    const host = { hostname: 'sim', kernel: 'simulated', lsm: [] };
    const simulated = evidence({ report: report({ host }) });
    expect(policyStatus(policy, [simulated])).toMatchObject({
      enforcedEverywhere: true,
      nodes: [{ conditions: ['simulated'], kept: true }],
      summary: [{ conditions: ['simulated'], kept: true, hosts: 1 }],
    });
    const drifted = evidence({ report: report({ host, conditions: ['drifted'] }) });
    expect(outcome(drifted).everywhere).toBe(false);
  });

  it('takes the same bundle at an older generation as applied', () => {
    const older = report({
      applied: { epoch: '1', generation: '30', issuedAt: 1, bundleDigest: DIGEST },
    });
    expect(outcome(evidence({ report: older })).everywhere).toBe(true);
  });

  it('is suspended from the moment the suspension is delivered, and until the host says it is over', () => {
    const suspension = { mode: 'audit', until: '2026-03-01T13:00:00.000Z', reason: 'x' } as const;
    const wanted = evidence({ report: report(), delivered: { ...delivered, suspension } });
    expect(outcome(wanted).everywhere).toBe(false);
    const still = evidence({ report: report({ suspension: { ...suspension, by: 'console' } }) });
    expect(policyStatus(policy, [still]).nodes[0]).toMatchObject({
      conditions: ['suspended'],
      suspension: { by: 'console' },
    });
  });

  it('decays to unknown when the host falls silent', () => {
    const silent = report({ asOf: '2026-03-01T11:59:25.000Z' });
    expect(outcome(evidence({ report: silent }, reportValidMs({}))).everywhere).toBe(true);
    expect(outcome(evidence({ report: silent }, reportValidMs({}) + 1))).toEqual({
      everywhere: false,
      state: 'unknown',
    });
  });

  it('is unknown when the clock of the host is two days off, and says so', () => {
    const off = report({ asOf: '2026-03-03T12:00:00.000Z' });
    const status = policyStatus(policy, [evidence({ report: off })]);
    expect(status.nodes[0]?.rules[0]).toMatchObject({
      state: 'unknown',
      reason: expect.stringContaining('172800 s'),
    });
  });

  it('is pending with its reason while it is paused', () => {
    const paused = { ...policy, paused: true };
    expect(outcome(evidence({ report: report() }), paused)).toEqual({
      everywhere: false,
      state: 'pending',
    });
  });

  it('tells the reason of a rejection about what was delivered', () => {
    const rejected = report({
      applied: undefined,
      rejected: {
        code: 'expired',
        message: 'too old',
        at: '2026-03-01T12:00:00.000Z',
        generation: '41',
      },
    });
    const status = policyStatus(policy, [evidence({ report: rejected })]);
    expect(status.nodes[0]?.rules[0]?.reason).toContain('expired: too old');
  });

  it('promises nothing for a policy without rules', () => {
    expect(outcome(evidence({ report: report() }), { ...policy, rules: [] }).everywhere).toBe(
      false,
    );
  });
});

describe('the summary of a policy', () => {
  const host = (node: string, over: Partial<Evidence> = {}): Evidence => ({
    ...evidence({ report: report(), ...over }),
    node,
  });
  const names = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, n) => `web${String(n).padStart(3, '0')}`);
  const failing = (reason: string): NodeReport => {
    const rules = [
      { id: 'process/matchPaths/0', state: 'failed' as const, reason },
      { id: 'file/matchPaths/0', state: 'audited' as const, reason: 'of another rule' },
    ];
    return report({ policies: [{ policy: 'block-sleep', revision: '40', rules }] });
  };

  it('counts hosts by state, conditions and reason, with the first names', () => {
    const all = [
      ...names(7).map((node) => host(node)),
      host('x1', { report: failing('parser: no') }),
      host('x2', { report: failing('parser: no') }),
      host('x3', { report: failing('no memory') }),
      host('y1', { report: report({ conditions: ['drifted'] }) }),
      host('z1', { delivered: undefined }),
    ];
    expect(policyStatus(policy, all)).toMatchObject({
      selected: 12,
      stragglers: 5,
      enforcedEverywhere: false,
      summary: [
        { state: 'audited', conditions: [], kept: true, hosts: 7, examples: names(5), reasons: [] },
        { state: 'audited', conditions: ['drifted'], kept: false, hosts: 1, examples: ['y1'] },
        { state: 'pending', kept: false, hosts: 1, examples: ['z1'] },
        {
          state: 'failed',
          hosts: 3,
          reasons: [
            { reason: 'parser: no', hosts: 2, examples: ['x1', 'x2'] },
            { reason: 'no memory', hosts: 1, examples: ['x3'] },
          ],
        },
      ],
    });
  });

  it('counts hosts that fell silent at different times as silent for one reason', () => {
    const silent = [40_000, 50_000, 60_000].map((ageMs, n) => ({
      ...evidence({ report: report({ asOf: new Date(NOW - ageMs).toISOString() }) }, ageMs),
      node: `web${n}`,
    }));
    const { summary, nodes } = policyStatus(policy, silent);
    expect(summary).toMatchObject([
      { state: 'unknown', hosts: 3, reasons: [{ reason: 'the host has fallen silent', hosts: 3 }] },
    ]);
    expect(nodes[0]?.rules[0]?.reason).toBe('the host has not reported for 40 s');
  });

  it('names ten reasons at most, those of most hosts', () => {
    const many = names(30).map((node, n) => host(node, { report: failing(`reason ${n}`) }));
    const again = host('x', { report: failing('reason 29') });
    const [group] = policyStatus(policy, [...many, again]).summary;
    expect(group).toMatchObject({ hosts: 31 });
    expect(group?.reasons).toHaveLength(10);
    expect(group?.reasons[0]).toMatchObject({ reason: 'reason 29', hosts: 2 });
  });

  it('shows a hundred hosts by name, and among them whoever lacks something', () => {
    const all = [...names(300).map((node) => host(node)), host('zz', { delivered: undefined })];
    const { nodes, selected, stragglers } = policyStatus(policy, all);
    expect([selected, stragglers, nodes.length]).toEqual([301, 1, 100]);
    expect(nodes.map(({ node }) => node)).toEqual([...names(99), 'zz']);
    expect(nodes.filter(({ kept }) => !kept).map(({ node }) => node)).toEqual(['zz']);
  });

  it.each<[string, RuleState, boolean]>([
    ['enforced everywhere', 'enforced', true],
    ['decided against', 'unsupported', true],
    ['refused', 'refused', true],
    ['failed, which a host tries again', 'failed', false],
    ['audited only, which the host may change', 'audited', false],
  ])('is settled or not where it is %s', (_title, state, settled) => {
    expect(policyStatus(policy, [host('web1', { report: report({}, state) })]).settled).toBe(
      settled,
    );
  });

  it.each<[string, Partial<RuleStatus>, boolean]>([
    ['by a host that has it in force, and nothing comes of it', { proof: 'read-back' }, true],
    ['without a word on whether it is in force', {}, false],
  ])('of a rule that is delivered is settled or not: %s', (_title, over, settled) => {
    const rules: RuleStatus[] = [
      { id: 'process/matchPaths/0', state: 'enforced', proof: 'probe' },
      { id: 'file/matchPaths/0', state: 'delivered', reason: 'is a directory', ...over },
    ];
    const policies = [{ policy: 'block-sleep', revision: '40', rules }];
    const status = policyStatus(policy, [host('web1', { report: report({ policies }) })]);
    expect(status).toMatchObject({ settled, enforcedEverywhere: false });
  });

  it('is settled where an exception allows what the host has in force', () => {
    const excepted = new Map([['block-sleep', { id: 'e1', until: '2026-03-02T00:00:00.000Z' }]]);
    const rules: RuleStatus[] = [
      { id: 'process/matchPaths/0', state: 'enforced', proof: 'read-back' },
      { id: 'file/matchPaths/0', state: 'audited', proof: 'read-back' },
    ];
    const policies = [{ policy: 'block-sleep', revision: '40', rules }];
    const status = policyStatus(policy, [host('web1', { report: report({ policies }), excepted })]);
    expect(status).toMatchObject({ settled: true, enforcedEverywhere: false });
  });

  it('is not settled while one host has not answered', () => {
    const refused = host('web1', { report: report({}, 'refused') });
    expect(policyStatus(policy, [refused, host('web2', { delivered: undefined })]).settled).toBe(
      false,
    );
  });
});

describe('the status of a node', () => {
  it('lists the policies that select it with their states', () => {
    const status = nodeStatus(evidence({ report: report({}, 'failed') }), 'id', [policy]);
    expect(status).toMatchObject({
      node: 'web1',
      connected: true,
      enforcer: 'apparmor',
      policies: [{ policy: 'block-sleep', state: 'failed' }],
    });
  });

  it('is named as paused where a policy of it is', () => {
    const { policies } = nodeStatus(evidence({ report: report() }), 'id', [
      policy,
      { ...policy, name: 'other', paused: true },
    ]);
    expect(policies).toEqual([
      expect.not.objectContaining({ paused: true }),
      expect.objectContaining({ policy: 'other', state: 'pending', paused: true }),
    ]);
  });

  it('is not connected before it reported', () => {
    expect(nodeStatus(evidence(), undefined, [policy])).toMatchObject({
      connected: false,
      policies: [{ state: 'delivered' }],
    });
  });
});
