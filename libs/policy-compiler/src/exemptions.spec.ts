import { describe, expect, it } from '@jest/globals';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { allows, compile, expectParsed, withParser } from './fixtures/compilation.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import { CATCH_ALL } from './resolve/names.js';
import { TableReader } from './bpf/read-table.js';
import type { HostCapabilities } from './plan/types.js';

type Spec = Omit<HostPolicySpec, 'nodeSelector'>;

const UNTIL = '2030-01-01T00:00:00.000Z';

/** What `exception add POLICY` makes; `spec`: what one that was made by an older version says besides. */
function exceptionFrom(lifted: string, spec: Spec = {}): HostPolicy {
  const made = policy(
    'exception-1',
    { ...spec, action: 'Allow' },
    { 'hostward.io/tier': 'exception', 'hostward.io/until': UNTIL },
  );
  return { ...made, metadata: { ...made.metadata, labels: { 'hostward.io/lifts': lifted } } };
}

const USR = { matchDirectories: [{ dir: '/usr/', recursive: true }] };
const LIST = policy('list', { process: USR, action: 'Allow' }, { 'hostward.io/posture': 'block' });
const BASELINE = policy(
  'baseline',
  {
    process: { matchPaths: [{ path: '/usr/bin/nmap' }] },
    file: { matchPaths: [{ path: '/etc/app/secret.key' }] },
    network: { matchProtocols: [{ protocol: 'raw' }] },
    capabilities: { matchCapabilities: [{ capability: 'sys_ptrace' }] },
  },
  { 'hostward.io/tier': 'baseline' },
);
const NGINX = '/usr/sbin/nginx';

describe.each<[string, HostCapabilities]>([
  ['AppArmor', debian()],
  ['BPF', debian({ bpf: true })],
])('an exception from a policy, on %s', (_enforcer, host) => {
  const compiled = (policies: readonly HostPolicy[], nowMs?: number) =>
    compileRuleSet(ruleSet(...policies), nowMs === undefined ? host : { ...host, nowMs });
  /** The rule that refuses the start of a program; undefined where none does. */
  const refusing = (path: string, ...policies: readonly HostPolicy[]) =>
    causeOf({ name: path, denied: 'x' }, ...policies);
  const causeOf = (
    asked: { name?: string; denied?: string; capname?: string },
    ...policies: readonly HostPolicy[]
  ) =>
    attribute(compiled(policies).report.attribution, {
      profile: CATCH_ALL,
      denied: 'x',
      ...asked,
    });
  const rulesOf = (name: string, ...policies: readonly HostPolicy[]) =>
    compiled(policies).report.policies.find((found) => found.policy === name)?.rules ?? [];

  it('lifts its list, and leaves what another policy blocks', () => {
    const made = exceptionFrom('list');
    expect(refusing('/opt/tool', LIST)?.rule).toContain('not listed by list');
    expect(refusing('/opt/tool', LIST, made)).toBeUndefined();
    expect(refusing('/usr/bin/nmap', LIST, BASELINE, made)?.policy).toBe('baseline');
    expect(rulesOf('list', LIST, made)).toEqual([
      {
        id: 'process/matchDirectories/0',
        plan: 'overruled',
        reason: `exception-1 exempts this host from it until ${UNTIL}`,
        class: 'process',
      },
    ]);
    expect(rulesOf('exception-1', LIST, made)).toEqual([
      { id: 'lifts', plan: 'enforce', class: 'exemption' },
    ]);
  });

  it('leaves the list of another policy, and what the policy itself allows in that', () => {
    const other = policy(
      'other',
      { process: { matchPaths: [{ path: '/opt/tool' }], action: 'Allow' } },
      { 'hostward.io/posture': 'block' },
    );
    const policies = [LIST, other, exceptionFrom('list')];
    expect(refusing('/opt/evil', ...policies)?.rule).toContain('not listed by other');
    expect(refusing('/usr/bin/id', ...policies)).toBeUndefined();
    expect(refusing('/opt/tool', ...policies)).toBeUndefined();
  });

  it('takes its Blocks away, and not those that another policy has of the same', () => {
    const twin = policy('twin', { process: { matchPaths: [{ path: '/usr/bin/nmap' }] } });
    const made = exceptionFrom('baseline');
    expect(refusing('/usr/bin/nmap', BASELINE, made)).toBeUndefined();
    expect(refusing('/usr/bin/nmap', BASELINE, made, twin)?.policy).toBe('twin');
    expect(causeOf({ capname: 'sys_ptrace' }, BASELINE, made)).toBeUndefined();
    expect(rulesOf('baseline', BASELINE, made).map(({ plan }) => plan)).toEqual(
      Array(4).fill('overruled'),
    );
  });

  it('has what was written into it besides, other than an Allow, in force', () => {
    const made = exceptionFrom('list', {
      file: { matchPaths: [{ path: '/etc/own.key', action: 'Block' }] },
    });
    expect(rulesOf('exception-1', LIST, made)).toMatchObject([
      { id: 'file/matchPaths/0', plan: 'enforce', class: 'file' },
      { id: 'lifts' },
    ]);
    expect(causeOf({ name: '/etc/own.key', denied: 'r' }, LIST, made)).toBeDefined();
  });

  it('leaves what its policy audits and allows', () => {
    const mixed = policy('mixed', {
      file: {
        matchDirectories: [
          { dir: '/etc/', recursive: true, action: 'Audit' },
          { dir: '/srv/', recursive: true, action: 'Block' },
        ],
      },
      process: { matchPaths: [{ path: '/opt/tools/nmap', action: 'Allow' }] },
    });
    const block = policy('block', {
      process: { matchDirectories: [{ dir: '/opt/tools/', recursive: true }] },
    });
    const policies = [mixed, block, BASELINE, exceptionFrom('mixed')];
    expect(causeOf({ name: '/srv/x', denied: 'r' }, ...policies)).toBeUndefined();
    expect(causeOf({ name: '/etc/app/secret.key', denied: 'r' }, ...policies)?.policy).toBe(
      'baseline',
    );
    const without = [mixed, block, exceptionFrom('mixed')];
    expect(refusing('/opt/tools/nmap', ...without)).toBeUndefined();
    expect(refusing('/opt/tools/id', ...without)?.policy).toBe('block');
    expect(rulesOf('mixed', ...policies).map(({ plan }) => plan)).toEqual([
      'audit',
      'audit',
      'overruled',
    ]);
  });

  it.each<[string, HostPolicy, Spec]>([
    [
      'an Audit of a directory',
      policy('source', { file: { ...dirOf('/etc/'), action: 'Audit' } }),
      { file: dirOf('/etc/') },
    ],
    [
      'an Audit of all sockets',
      policy('source', { network: { matchProtocols: [{ protocol: 'all' }], action: 'Audit' } }),
      { network: { matchProtocols: [{ protocol: 'all' }] } },
    ],
    ['an Allow', { ...LIST, metadata: { ...LIST.metadata, name: 'source' } }, { process: USR }],
    [
      'an Allow for reading',
      policy('source', { file: { matchPaths: [{ path: '/etc/app/secret.key', readOnly: true }] } }),
      { file: { matchPaths: [{ path: '/etc/app/secret.key', readOnly: true }] } },
    ],
  ])(
    'opens nothing that another policy blocks, though it was made of %s',
    (_what, source, spec) => {
      const policies = [source, BASELINE, exceptionFrom('source', spec)];
      expect(refusing('/usr/bin/nmap', ...policies)?.policy).toBe('baseline');
      for (const denied of ['r', 'w'])
        expect(causeOf({ name: '/etc/app/secret.key', denied }, ...policies)?.policy).toBe(
          'baseline',
        );
      expect(rulesOf('baseline', ...policies).map(({ plan }) => plan)).toEqual(
        Array(4).fill('enforce'),
      );
    },
  );

  it('of a list for one program lifts that alone', () => {
    const own = policy(
      'own',
      { file: { ...dirOf('/srv/www/', NGINX), action: 'Allow' } },
      { 'hostward.io/posture': 'block' },
    );
    const { attribution } = compiled([own]).report;
    const lifted = compiled([own, exceptionFrom('own')]).report.attribution;
    const asked = { name: '/home/x', denied: 'r', profile: Object.keys(attribution.profiles)[0] };
    expect(attribute(attribution, asked)?.rule).toContain('not listed by own');
    expect(attribute(lifted, asked)).toBeUndefined();
  });

  it('is over at its end, or where the owner of the host does not take it, and says where its policy is not', () => {
    const policies = [LIST, exceptionFrom('list')];
    const later = compiled(policies, Date.parse(UNTIL)).report.policies;
    expect(later.flatMap(({ rules }) => rules.map(({ plan }) => plan))).toEqual([
      'unsupported',
      'enforce',
    ]);
    const vetoed = compileRuleSet(ruleSet(...policies), { ...host, veto: ['exception-1'] });
    expect(vetoed.report.policies[1]?.rules).toMatchObject([{ plan: 'enforce' }]);
    expect(rulesOf('exception-1', exceptionFrom('list'))).toMatchObject([
      { id: 'lifts', plan: 'enforce', reason: 'the host does not have list' },
    ]);
  });

  it('lifts no rule of what the owner of the host does not let be allowed, and says so', () => {
    const policies = [BASELINE, exceptionFrom('baseline')];
    const veto = [{ actions: ['Allow'], paths: ['/etc/app/secret.key'] }];
    const { report } = compileRuleSet(ruleSet(...policies), { ...host, veto });
    const plans = report.policies[0]?.rules.map(({ id, plan }) => [id, plan]);
    expect(plans).toEqual([
      ['process/matchPaths/0', 'overruled'],
      ['file/matchPaths/0', 'enforce'],
      ['network/matchProtocols/0', 'overruled'],
      ['capabilities/matchCapabilities/0', 'overruled'],
    ]);
    expect(report.policies[1]?.rules[0]).toMatchObject({
      id: 'lifts',
      reason: expect.stringMatching(/^not from all of baseline: the owner of this host refuses/),
    });
  });

  it('lifts rules about devices', () => {
    const usb = policy(
      'usb',
      { device: { matchDevice: [{ class: 'HID' }], action: 'Allow' } },
      { 'hostward.io/posture': 'block' },
    );
    const made = exceptionFrom('usb', { device: { matchDevice: [{ class: 'HID' }] } });
    expect(compiled([usb]).devices).toContain('unlisted-block');
    expect(compiled([usb, made]).devices).toBe('allow 100 2 3 - - - control-path\n');
  });
});

function dirOf(dir: string, source?: string) {
  const fromSource = source === undefined ? {} : { fromSource: [{ path: source }] };
  return { matchDirectories: [{ dir, recursive: true, ...fromSource }] };
}

describe('what is enforced under an exception', () => {
  const policies = [LIST, BASELINE, exceptionFrom('list', { process: USR })];

  withParser('is in the profiles', () => {
    const compilation = compile(policies);
    expectParsed(compilation);
    expect(allows(compilation, '/opt/tool', 'x')).toBe(true);
    expect(allows(compilation, '/usr/bin/nmap', 'x')).toBe(false);
  });

  it('is in the table', () => {
    const { table } = compile(policies, { bpf: true });
    const reader = new TableReader(table?.blob ?? new Uint8Array());
    const denied = ['/opt/tool', '/usr/bin/nmap'].map(
      (path) => reader.path(path, 'x', 'owner').deny,
    );
    expect(denied).toEqual([false, true]);
  });
});
