import { describe, expect, it } from '@jest/globals';
import { type HostPolicy, parseDocuments, type Rule, rulesOf } from './index.js';

function policyOf(spec: string): HostPolicy {
  const text = `
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: p, annotations: {hostward.io/tier: baseline}}
spec:
  nodeSelector: {matchLabels: {env: prod}}
${spec}`;
  const [parsed] = parseDocuments(text).documents;
  if (parsed?.document?.kind !== 'KubeArmorHostPolicy') throw new Error(JSON.stringify(parsed));
  return parsed.document;
}

function rules(spec: string): readonly Rule[] {
  return rulesOf(policyOf(spec));
}

describe('rulesOf', () => {
  it('inherits action, severity, tags and message from rule, section and spec in this order', () => {
    const found = rules(`
  severity: 1
  tags: [spec]
  message: spec
  action: Audit
  process:
    severity: 2
    message: section
    matchPaths:
    - {path: /a}
    - {path: /b, severity: 3, action: Allow, tags: [], fromSource: [{path: /s}]}
  file:
    action: Block
    matchPaths: [{path: /c}]`);
    expect(found).toMatchObject([
      {
        id: 'process/matchPaths/0',
        severity: 2,
        tags: ['spec'],
        message: 'section',
        action: 'Audit',
      },
      { id: 'process/matchPaths/1', severity: 3, tags: [], message: 'section', action: 'Allow' },
      { id: 'file/matchPaths/0', severity: 1, tags: ['spec'], message: 'spec', action: 'Block' },
    ]);
    expect(found.every(({ tier, policy }) => tier === 'baseline' && policy === 'p')).toBe(true);
  });

  it('blocks where no action is written', () => {
    expect(rules('  process: {matchPaths: [{path: /a}]}')[0]?.action).toBe('Block');
  });

  it('expands every element of a comma list, not only where the first element has a comma', () => {
    const found = rules(`
  network:
    matchProtocols:
    - {protocol: UDP}
    - {protocol: "TCP, udp", severity: 7}
    matchDNSQueries: [{domain: "Evil.example.,b.example"}, {domain: "*.C.example,*.*.d"}]
  capabilities:
    matchCapabilities: [{capability: "CAP_NET_RAW,kill"}]`);
    expect(found.map(({ id, object }) => [id, object])).toEqual([
      ['network/matchProtocols/0', { kind: 'protocol', protocol: 'udp' }],
      ['network/matchProtocols/1.0', { kind: 'protocol', protocol: 'tcp' }],
      ['network/matchProtocols/1.1', { kind: 'protocol', protocol: 'udp' }],
      ['network/matchDNSQueries/0.0', { kind: 'dns', domain: 'evil.example' }],
      ['network/matchDNSQueries/0.1', { kind: 'dns', domain: 'b.example' }],
      ['network/matchDNSQueries/1.0', { kind: 'dns', domain: 'c.example' }],
      ['network/matchDNSQueries/1.1', { kind: 'dns', domain: '*.d' }],
      ['capabilities/matchCapabilities/0.0', { kind: 'capability', capability: 'net_raw' }],
      ['capabilities/matchCapabilities/0.1', { kind: 'capability', capability: 'kill' }],
    ]);
    expect(found[2]?.severity).toBe(7);
  });

  it('gives every kind of object with its conditions', () => {
    const found = rules(`
  process:
    matchPaths:
    - {execname: xmrig, path: /never}
    - {path: //usr//bin/./x, ownerOnly: true, pts: false, allowedArgs: [-a], fromSource: [{path: /s1}, {path: /s1}, {path: //s2}]}
    matchDirectories: [{dir: /usr/bin, recursive: true}]
    matchPatterns: [{pattern: /**/nc}]
  file:
    matchDirectories: [{dir: /etc/, readOnly: true}]
  device:
    matchDevice: [{class: 8, level: 2}]`);
    expect(found.map(({ object }) => object)).toEqual([
      { kind: 'process', match: { type: 'execname', name: 'xmrig' } },
      { kind: 'process', match: { type: 'path', path: '/usr/bin/x' } },
      { kind: 'process', match: { type: 'directory', dir: '/usr/bin/', recursive: true } },
      { kind: 'process', match: { type: 'pattern', pattern: '/**/nc' } },
      { kind: 'file', match: { type: 'directory', dir: '/etc/', recursive: false } },
      { kind: 'device', class: '8', level: 2 },
    ]);
    expect(found[1]).toMatchObject({
      ownerOnly: true,
      pts: false,
      allowedArgs: ['-a'],
      sources: ['/s1', '/s2'],
    });
    expect(found[4]).toMatchObject({ ownerOnly: false, readOnly: true, sources: [] });
  });

  it('observes system calls whatever the action says', () => {
    const [call, path] = rules(`
  action: Block
  syscalls:
    matchSyscalls: [{syscall: [unlink, rmdir], fromSource: [{path: /s}, {dir: /opt, recursive: true}]}]
    matchPaths: [{path: /home/, syscall: unlink}]`);
    expect(call).toMatchObject({
      id: 'syscalls/matchSyscalls/0',
      action: 'Audit',
      sources: ['/s'],
    });
    expect(call?.object).toEqual({
      ...{ kind: 'syscall', syscalls: ['unlink', 'rmdir'], recursive: false },
      sourceDirectories: [{ dir: '/opt/', recursive: true }],
    });
    expect(path?.object).toMatchObject({ path: '/home/', syscalls: ['unlink'] });
  });

  it.each([
    ['exception', { 'hostward.io/lifts': 'strict' }, true],
    ['exception', {}, false],
    ['normal', { 'hostward.io/lifts': 'strict' }, false],
  ])('of tier %s with the labels %j exempt from a policy: %s', (tier, labels, lifts) => {
    const policy = policyOf('  file: {matchPaths: [{path: /srv/a, action: Allow}]}');
    const annotations = { 'hostward.io/tier': tier };
    const [rule, exemption] = rulesOf({ ...policy, metadata: { name: 'p', labels, annotations } });
    expect(rule?.lifts).toBe(lifts);
    expect(exemption?.object).toEqual(lifts ? { kind: 'exemption', policy: 'strict' } : undefined);
    expect(exemption?.action).toBe(lifts ? 'Allow' : undefined);
  });

  it('drops nothing that no enforcer can do', () => {
    const found = rules(`
  apparmor: "profile x {}"
  network: {matchProtocols: [{protocol: "x,tcp"}]}`);
    expect(found.map(({ id }) => id)).toEqual([
      'network/matchProtocols/0.0',
      'network/matchProtocols/0.1',
      'apparmor',
    ]);
  });
});
