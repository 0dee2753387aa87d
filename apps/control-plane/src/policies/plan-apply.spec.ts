import { describe, expect, it } from '@jest/globals';
import { MAX_RULES_PER_POLICY } from '#contracts';
import { attribute, CATCH_ALL, compileRuleSet, GENERIC_DEBIAN } from '#policy-compiler';
import { type HostPolicy, type HostPolicySpec, parseDocuments } from '#policy-model';
import type { Stored } from '../store/record-index.js';
import { AT, groupRecord, hostPolicy, nodeRecord, policyRecord, sign } from '../testing/records.js';
import { exceptionPolicy, takesAnything } from './exception-policy.js';
import { judgeDocuments } from './judge-documents.js';
import { planApply, type PlanOptions, type PlanState } from './plan-apply.js';
import type { PolicyRecord } from '../records/policy.record.js';

const EMPTY: PlanState = {
  policy: () => undefined,
  deletedPolicy: () => undefined,
  group: () => undefined,
  node: () => undefined,
  policiesOwnedBy: () => [],
  groupsOwnedBy: () => [],
};
const OPTIONS: PlanOptions = {
  by: 'test',
  at: AT,
  sign,
  prune: false,
  overrideProtection: false,
  judgements: new Map(),
};

const parse = (...documents: unknown[]) =>
  parseDocuments(documents.map((document) => JSON.stringify(document)).join('\n---\n')).documents;
const stored = <T>(record: T, revision = 5n): Stored<T> => ({ record, revision });
const verdicts = (plan: ReturnType<typeof planApply>) =>
  plan.documents.map(({ verdict }) => verdict);
const written = (plan: ReturnType<typeof planApply>): PolicyRecord => {
  const write = plan.writes[0];
  return JSON.parse(String(write?.type === 'put' ? write.value : '{}')) as PolicyRecord;
};

describe('the plan of an apply', () => {
  it('creates under the condition that nothing is there', () => {
    const plan = planApply(parse(hostPolicy('p', { a: 'b' })), EMPTY, OPTIONS);
    expect(verdicts(plan)).toEqual(['created']);
    expect(plan.conditions).toEqual([{ key: '/hostward/v1/policy/p', modRevision: 0n }]);
    expect(plan.writes.map(({ key }) => key)).toEqual([
      '/hostward/v1/policy/p',
      '/hostward/v1/history/p/0000000001',
    ]);
  });

  it('refuses more rules than a host can report, unless they are there already', () => {
    const base = hostPolicy('p', { a: 'b' });
    const matchPaths = Array.from({ length: MAX_RULES_PER_POLICY + 1 }, () => ({ path: '/a' }));
    const documents = parse({ ...base, spec: { ...base.spec, process: { matchPaths } } });
    const document = documents[0]?.document;
    if (document?.kind !== 'KubeArmorHostPolicy') throw new Error('not parsed');
    const [refused] = planApply(documents, EMPTY, OPTIONS).documents;
    expect(refused).toMatchObject({
      verdict: 'invalid',
      errors: [{ field: 'documents[0].spec', message: expect.stringMatching(/^20001 rules/) }],
    });
    const state = { ...EMPTY, policy: () => stored(policyRecord(document)) };
    expect(verdicts(planApply(documents, state, OPTIONS))).toEqual(['unchanged']);
  });

  it('goes on with the numbers of a policy that was deleted', () => {
    const deleted = policyRecord(hostPolicy('p', {}), {
      version: 7,
      document: undefined,
      change: 'deleted',
    });
    const plan = planApply(
      parse(hostPolicy('p', { a: 'b' })),
      { ...EMPTY, deletedPolicy: () => stored(deleted) },
      OPTIONS,
    );
    expect(verdicts(plan)).toEqual(['created']);
    expect(written(plan).version).toBe(8);
    expect(plan.conditions).toEqual([{ key: '/hostward/v1/policy/p', modRevision: 5n }]);
  });

  it('writes nothing for what is the same, but holds on to it', () => {
    const [parsed] = parse(hostPolicy('p', { a: 'b' }));
    const document = parsed?.document;
    if (document?.kind !== 'KubeArmorHostPolicy') throw new Error('not parsed');
    const state = { ...EMPTY, policy: () => stored(policyRecord(document)) };
    const plan = planApply(parse(hostPolicy('p', { a: 'b' })), state, OPTIONS);
    expect([verdicts(plan), plan.writes, plan.conditions.length]).toEqual([['unchanged'], [], 1]);
    expect(verdicts(planApply(parse(hostPolicy('p', { a: 'c' })), state, OPTIONS))).toEqual([
      'configured',
    ]);
  });

  it('keeps a paused policy paused when it is changed', () => {
    const state = {
      ...EMPTY,
      policy: () => stored(policyRecord(hostPolicy('p', { a: 'b' }), { paused: true })),
    };
    expect(written(planApply(parse(hostPolicy('p', { a: 'c' })), state, OPTIONS)).paused).toBe(
      true,
    );
  });

  it('drops the oldest version beyond those that are kept', () => {
    const state = {
      ...EMPTY,
      policy: () => stored(policyRecord(hostPolicy('p', { a: 'b' }), { version: 60 })),
    };
    const plan = planApply(parse(hostPolicy('p', { a: 'c' })), state, OPTIONS);
    expect(plan.writes.at(-1)).toEqual({
      type: 'delete',
      key: '/hostward/v1/history/p/0000000011',
    });
  });

  it('refuses a document twice, a document of another owner, and a lock-out', () => {
    expect(
      verdicts(
        planApply(parse(hostPolicy('p', { a: 'b' }), hostPolicy('p', { a: 'b' })), EMPTY, OPTIONS),
      ),
    ).toEqual(['created', 'invalid']);
    const owned = {
      ...EMPTY,
      policy: () => stored(policyRecord(hostPolicy('p', { a: 'b' }), { owner: 'x' })),
    };
    const foreign = planApply(parse(hostPolicy('p', { a: 'c' })), owned, {
      ...OPTIONS,
      owner: 'y',
    });
    expect(foreign.documents[0]?.errors[0]?.message).toContain('"x"');
    const lockouts = [{ field: 'f', message: 'm', remedy: 'r' }];
    const judgements = new Map([[0, { lockouts, patterns: [] }]]);
    const locked = planApply(parse(hostPolicy('p', { a: 'c' })), EMPTY, { ...OPTIONS, judgements });
    expect([verdicts(locked), locked.lockedOut]).toEqual([['invalid'], true]);
  });

  it('tells of a lock-out that is there already, and lets the other documents of the set through', () => {
    const there = hostPolicy('p', { a: 'b' });
    const state = {
      ...EMPTY,
      policy: (name: string) => (name === 'p' ? stored(policyRecord(there)) : undefined),
    };
    const lockouts = [{ field: 'f', message: 'm', remedy: 'r' }];
    const plan = planApply(parse(there, hostPolicy('q', { a: 'b' })), state, {
      ...OPTIONS,
      judgements: new Map([[0, { lockouts, patterns: [] }]]),
    });
    expect([verdicts(plan), plan.lockedOut]).toEqual([['unchanged', 'created'], false]);
    expect(plan.documents[0]?.warnings).toEqual([{ field: 'f', message: 'm', remedy: 'r' }]);
    expect(plan.writes).not.toEqual([]);
  });

  it('warns of a group that is not there, unless the set brings it', () => {
    const policy = hostPolicy('p', { 'hostward.io/group': 'g' });
    const warnings = (plan: ReturnType<typeof planApply>) => plan.documents[0]?.warnings.length;
    expect(warnings(planApply(parse(policy), EMPTY, OPTIONS))).toBe(1);
    expect(
      warnings(planApply(parse(policy, groupRecord('g', { a: 'b' }).document), EMPTY, OPTIONS)),
    ).toBe(0);
  });

  it('warns of a pattern that no host can take, once, and creates the policy all the same', () => {
    const base = hostPolicy('p', { a: 'b' });
    const written = ['/home/[a-z', '/srv/**', 'etc/*', '{/srv/a,/srv/b}/*'];
    const matchPatterns = written.map((pattern) => ({ pattern }));
    const text = JSON.stringify({ ...base, spec: { ...base.spec, file: { matchPatterns } } });
    const judged = judgeDocuments({ text, format: 'json', overrideProtection: false });
    const plan = planApply(judged.documents, EMPTY, { ...OPTIONS, ...judged });
    expect(verdicts(plan)).toEqual(['created']);
    expect(plan.documents[0]?.warnings.map(({ field, message }) => [field, message])).toEqual([
      [expect.stringContaining('matchPatterns[2]'), expect.stringContaining('slash')],
      [expect.stringContaining('matchPatterns[3]'), expect.stringContaining('slash')],
      ['documents[0].spec.file.matchPatterns.0', expect.stringContaining('not closed')],
    ]);
  });

  it('prunes what its owner has and the set has not, as signed deletions', () => {
    const mine = stored(policyRecord(hostPolicy('old', { a: 'b' }), { owner: 'me' }));
    const state = {
      ...EMPTY,
      policiesOwnedBy: () => [mine],
      groupsOwnedBy: () => [stored(groupRecord('g', { a: 'b' }))],
    };
    const plan = planApply(parse(hostPolicy('p', { a: 'b' })), state, {
      ...OPTIONS,
      owner: 'me',
      prune: true,
    });
    expect(plan.documents.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      'p created',
      'old pruned',
      'g pruned',
    ]);
    const deletion = plan.writes.find(({ key }) => key === '/hostward/v1/policy/old');
    expect(String(deletion?.type === 'put' && deletion.value)).toContain('"change":"deleted"');
  });

  it('changes the labels of a host and leaves its enrolment alone', () => {
    const node = nodeRecord('n', { a: 'b' }, '1'.repeat(64));
    const machine = {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorVirtualMachine',
      metadata: { name: 'n', labels: { a: 'c' } },
    };
    const plan = planApply(parse(machine), { ...EMPTY, node: () => stored(node) }, OPTIONS);
    expect(verdicts(plan)).toEqual(['configured']);
    expect(JSON.stringify(plan.writes)).toContain('1'.repeat(64));
  });

  it('keeps the ssh host key that a host is declared with, without its comment, until it is declared without', () => {
    const sshHostKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`;
    const machine = (annotations?: Record<string, string>) => ({
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorVirtualMachine',
      metadata: { name: 'n', labels: { a: 'b' }, annotations },
    });
    const declared = machine({ 'hostward.io/ssh-host-key': `${sshHostKey} root@n` });
    const created = planApply(parse(declared), EMPTY, OPTIONS);
    expect(JSON.stringify(created.writes)).toContain(`\\"sshHostKey\\":\\"${sshHostKey}\\"`);
    const node = stored({ ...nodeRecord('n', { a: 'b' }), sshHostKey });
    const state = { ...EMPTY, node: () => node };
    expect(verdicts(planApply(parse(declared), state, OPTIONS))).toEqual(['unchanged']);
    const without = planApply(parse(machine()), state, OPTIONS);
    expect(verdicts(without)).toEqual(['configured']);
    expect(JSON.stringify(without.writes)).not.toContain('sshHostKey');
  });
});

const LIST: Partial<HostPolicySpec> = {
  process: { matchDirectories: [{ dir: '/usr/', recursive: true }] },
  action: 'Allow',
};

describe('the policy of an exception', () => {
  const ORDER = {
    name: 'exception-1',
    selector: { matchLabels: { x: 'y' } },
    until: '2030-01-01T00:00:00.000Z',
    reason: 'patch day',
  };

  it('allows what the policy names, on the hosts of the selector, until its end, and is a policy hosts take', () => {
    const base = hostPolicy('strict', { a: 'b' });
    const made = exceptionPolicy(
      { ...base, spec: { ...base.spec, process: { ...base.spec.process, action: 'Block' } } },
      ORDER,
    );
    const [parsed] = parse(made);
    expect(parsed?.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(JSON.stringify(parsed?.document)).not.toContain('Block');
    expect(parsed?.document).toMatchObject({
      spec: { action: 'Allow', nodeSelector: { matchLabels: { x: 'y' } } },
    });
  });

  it('lets through whom the policy keeps out, whatever the conditions of its rules', () => {
    const base = hostPolicy('strict', { a: 'b' });
    const path = '/srv/app/run';
    const strict: HostPolicy = {
      ...base,
      spec: {
        nodeSelector: base.spec.nodeSelector,
        process: { matchPaths: [{ path, allowedArgs: ['-v'] }] },
        file: { matchPaths: [{ path, ownerOnly: true }] },
      },
    };
    const made = exceptionPolicy(strict, ORDER);
    const rules = compiled(strict, made);
    expect(compiled(strict).causes).toEqual(['process/matchPaths/0', 'file/matchPaths/0']);
    expect(rules.causes).toEqual([undefined, undefined]);
    expect(rules.plans).toEqual(['overruled', 'overruled', 'enforce', 'enforce', 'enforce']);
  });

  it.each<readonly [conditions: Conditions, taken: string]>([
    [{ readOnly: true }, 'owner w, owner l, other w, other l'],
    [{ ownerOnly: true }, 'other r, other w, other l'],
    [{ readOnly: true, ownerOnly: true }, 'owner w, owner l, other r, other w, other l'],
  ])('of rules with %j allows what they took, and nothing that another policy takes', (...row) => {
    const [conditions, taken] = row;
    const strict = blocking('strict', conditions);
    const secrets = blocking('secrets', {});
    const made = exceptionPolicy(strict, ORDER);
    expect(deniedBy(strict)).toBe(taken);
    expect(deniedBy(strict, made)).toBe('');
    expect(deniedBy(strict, made, secrets)).toBe(deniedBy(secrets));
  });

  it('spells out the Blocks of the policy for hosts of older versions, and neither its Audits nor its Allows', () => {
    const { nodeSelector } = hostPolicy('mixed', { a: 'b' }).spec;
    const made = exceptionPolicy(
      {
        ...hostPolicy('mixed', { a: 'b' }),
        spec: {
          nodeSelector,
          file: {
            matchDirectories: [{ dir: '/etc/', recursive: true }],
            matchPaths: [{ path: '/srv/key', action: 'Block' }, { path: '/srv/log' }],
            action: 'Audit',
          },
          process: { matchDirectories: [{ dir: '/usr/', recursive: true }], action: 'Allow' },
          network: { matchProtocols: [{ protocol: 'all', action: 'Audit' }, { protocol: 'raw' }] },
        },
      },
      ORDER,
    );
    expect(made.spec).toEqual({
      nodeSelector: ORDER.selector,
      action: 'Allow',
      file: { matchPaths: [{ path: '/srv/key' }] },
      network: { matchProtocols: [{ protocol: 'raw' }] },
    });
  });

  it.each<readonly [string, Partial<HostPolicySpec>, posture: string, boolean]>([
    [
      'a Block',
      { capabilities: { matchCapabilities: [{ capability: 'sys_ptrace' }] } },
      'audit',
      true,
    ],
    ['a list that blocks', { ...LIST }, 'block', true],
    ['a list that audits', { ...LIST }, 'audit', false],
    ['an Audit', { ...LIST, action: 'Audit' }, 'block', false],
    ['system calls', { syscalls: { matchSyscalls: [{ syscall: ['mount'] }] } }, 'block', false],
  ])('is made of what takes something: %s', (_what, spec, posture, takes) => {
    const { apiVersion, kind, metadata, spec: base } = hostPolicy('p', { a: 'b' });
    const marked = { ...metadata, annotations: { 'hostward.io/posture': posture } };
    const { nodeSelector } = base;
    expect(
      takesAnything({ apiVersion, kind, metadata: marked, spec: { nodeSelector, ...spec } }),
    ).toBe(takes);
  });
});

interface Conditions {
  readonly readOnly?: boolean;
  readonly ownerOnly?: boolean;
}

function blocking(name: string, conditions: Conditions): HostPolicy {
  const base = hostPolicy(name, { a: 'b' });
  const file = { matchPaths: [{ path: '/srv/app/data', ...conditions }] };
  return { ...base, spec: { nodeSelector: base.spec.nodeSelector, file } };
}

/** Which of reading, writing and linking these policies deny, and to whom. */
function deniedBy(...documents: readonly HostPolicy[]): string {
  const policies = documents.map((document) => ({ document, revision: '1' }));
  const { report } = compileRuleSet(
    { policies },
    { ...GENERIC_DEBIAN, bpf: true, lsm: ['bpf'], loadedNames: [] },
  );
  const asked = { profile: CATCH_ALL, name: '/srv/app/data', ouid: 0 };
  const all = ['owner', 'other'].flatMap((who, fsuid) =>
    ['r', 'w', 'l'].flatMap((denied) =>
      attribute(report.attribution, { ...asked, denied, fsuid }) ? [`${who} ${denied}`] : [],
    ),
  );
  return all.join(', ');
}

/** Plans of all rules, and which rule keeps others than its owner from starting and from reading /srv/app/run. */
function compiled(...documents: readonly HostPolicy[]) {
  const policies = documents.map((document) => ({ document, revision: '1' }));
  const { report } = compileRuleSet(
    { policies },
    { ...GENERIC_DEBIAN, bpf: true, lsm: ['bpf'], loadedNames: [] },
  );
  const asked = { profile: CATCH_ALL, name: '/srv/app/run', fsuid: 1, ouid: 2 };
  return {
    plans: report.policies.flatMap(({ rules }) => rules.map(({ plan }) => plan)),
    causes: ['x', 'r'].map((denied) => attribute(report.attribution, { ...asked, denied })?.rule),
  };
}
