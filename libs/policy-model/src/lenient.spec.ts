import { describe, expect, it } from '@jest/globals';
import { type HostPolicySpec, parseDocuments, type ParseOptions } from './index.js';

const HEAD = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: p}
spec:
  nodeSelector: {matchLabels: {env: prod}}
`;

function parse(
  spec: string,
  options: ParseOptions = {},
): { codes: string[]; spec?: HostPolicySpec } {
  const { documents, diagnostics } = parseDocuments(HEAD + spec, options);
  const document = documents[0]?.document;
  const codes = diagnostics.map(({ severity, rule }) => `${severity}:${rule}`);
  return { codes, spec: document?.kind === 'KubeArmorHostPolicy' ? document.spec : undefined };
}

describe('the lenient validator', () => {
  it.each([
    ['a lower-case action', 'action: block', { action: 'Block' }, 'corrected-case'],
    [
      'an upper-case action of a section',
      'process: {action: AUDIT}',
      { process: { action: 'Audit' } },
      'corrected-case',
    ],
    ['an empty action', 'action: ""', { nodeSelector: {} }, 'unset-value'],
    ['a severity in quotes', 'severity: "5"', { severity: 5 }, 'corrected-type'],
    ['severity 0', 'severity: 0', { nodeSelector: {} }, 'unset-value'],
    ['one tag instead of a list', 'tags: STIG', { tags: ['STIG'] }, 'corrected-type'],
    ['a number as a message', 'message: 5', { message: '5' }, 'corrected-type'],
    [
      'a directory without its slash',
      'file: {matchDirectories: [{dir: /usr/bin}]}',
      { file: { matchDirectories: [{ dir: '/usr/bin/' }] } },
      'corrected-directory',
    ],
    [
      'a pattern called path',
      'file: {matchPatterns: [{path: /**/x}]}',
      { file: { matchPatterns: [{ pattern: '/**/x' }] } },
      'corrected-field',
    ],
    [
      'a field in another case',
      'process: {matchpaths: [{path: /a}]}',
      { process: { matchPaths: [{ path: '/a' }] } },
      'corrected-field',
    ],
    [
      'a flag in quotes',
      'file: {matchPaths: [{path: /a, readOnly: "true"}]}',
      { file: { matchPaths: [{ path: '/a', readOnly: true }] } },
      'corrected-type',
    ],
    [
      'a protocol in mixed case',
      'network: {matchProtocols: [{protocol: Tcp, fromSource: [{path: /a}]}]}',
      { network: { matchProtocols: [{ protocol: 'tcp', fromSource: [{ path: '/a' }] }] } },
      'corrected-case',
    ],
    [
      'a protocol without fromSource',
      'network: {matchProtocols: [{protocol: tcp}]}',
      { network: { matchProtocols: [{ protocol: 'tcp' }] } },
      'missing-source',
    ],
    [
      'a capability in upper case',
      'capabilities: {matchCapabilities: [{capability: CAP_NET_RAW, fromSource: [{path: /a}]}]}',
      {
        capabilities: {
          matchCapabilities: [{ capability: 'net_raw', fromSource: [{ path: '/a' }] }],
        },
      },
      'corrected-case',
    ],
    [
      'a capability that KubeArmor does not list',
      'capabilities: {matchCapabilities: [{capability: bpf, fromSource: [{path: /a}]}]}',
      {
        capabilities: { matchCapabilities: [{ capability: 'bpf', fromSource: [{ path: '/a' }] }] },
      },
      'newer-capability',
    ],
    [
      'a system call that KubeArmor does not list',
      'syscalls: {matchSyscalls: [{syscall: [openat2]}]}',
      { syscalls: { matchSyscalls: [{ syscall: ['openat2'] }] } },
      'unknown-syscall',
    ],
    [
      'a path longer than the CRD allows',
      `process: {matchPaths: [{path: /${'a'.repeat(200)}}]}`,
      {},
      'long-path',
    ],
  ])('takes %s with a warning, and the crd one refuses it', (_what, line, expected, code) => {
    const lenient = parse(`  ${line}\n`);
    expect(lenient.codes).toContain(`warning:${code}`);
    expect(lenient.codes.filter((each) => each.startsWith('error'))).toEqual([]);
    expect(lenient.spec).toMatchObject(expected);
    expect(parse(`  ${line}\n`, { mode: 'crd' }).spec).toBeUndefined();
  });

  it('takes comma lists and says how many rules they are', () => {
    const { codes, spec } = parse(
      '  network: {matchProtocols: [{protocol: "tcp,udp", fromSource: [{path: /a}]}]}\n',
    );
    expect(codes).toEqual(['warning:comma-list']);
    expect(spec).toMatchObject({ network: { matchProtocols: [{ protocol: 'tcp,udp' }] } });
  });

  it('takes matchExpressions, which the CRD of host policies does not have', () => {
    const text = HEAD.replace(
      'matchLabels: {env: prod}',
      'matchExpressions: [{key: env, operator: In, values: [prod]}]',
    );
    const rule = '  process: {matchPaths: [{path: /a}]}\n';
    expect(parseDocuments(text + rule).diagnostics).toEqual([]);
    expect(parseDocuments(text + rule, { mode: 'crd' }).diagnostics).toMatchObject([
      { rule: 'unknown-field' },
    ]);
  });

  it.each([
    ['action: Deny', 'not-listed'],
    ['severity: 11', 'out-of-range'],
    ['severity: high', 'wrong-type'],
    ['process: {matchPaths: [{path: usr/bin/x}]}', 'bad-path'],
    ['process: {matchPaths: [{path: /usr/bin/}]}', 'bad-path'],
    ['process: {matchPaths: [{execname: /usr/bin/x}]}', 'bad-execname'],
    ['file: {matchDirectories: [{dir: etc}]}', 'bad-directory'],
    ['file: {matchPaths: [{}]}', 'required-field'],
    ['network: {matchProtocols: [{protocol: quic}]}', 'not-listed'],
    ['selector: {matchLabels: {a: b}}', 'unknown-field'],
    ['extra: null', 'unknown-field'],
    ['process: [1]', 'wrong-type'],
  ])('does not guess what %s means', (line, code) => {
    for (const mode of ['lenient', 'crd'] as const) {
      const { codes, spec } = parse(`  ${line}\n`, { mode });
      expect(codes).toContain(`error:${code}`);
      expect(spec).toBeUndefined();
    }
  });

  it.each([
    ['process: {matchPaths: [{path: /a, execname: b}]}', 'execname-wins'],
    ['process: {matchPaths: [{}]}', 'empty-rule'],
    ['process: {matchPaths: [{path: /a/../b}]}', 'never-matches'],
    ['process: {matchPaths: [{path: "/usr/bin/python*"}]}', 'literal-wildcard'],
    ['process: {matchPaths: [{path: "/a/b[0-9]"}]}', 'literal-wildcard'],
    ['process: {matchPaths: [{execname: "nc?"}]}', 'literal-wildcard'],
    ['process: {matchPaths: [{path: /a, fromSource: [{path: "/tmp/*"}]}]}', 'literal-wildcard'],
    ['file: {matchDirectories: [{dir: "/home/*/.ssh/"}]}', 'literal-wildcard'],
    ['process: {matchPaths: [{path: /a, fromSource: [{}]}]}', 'empty-source'],
    ['process: {matchPaths: [{path: /a, action: Allow}]}', 'allow-list'],
    ['process: {matchPatterns: [{pattern: nc}]}', 'never-matches'],
    ['process: {matchPatterns: [{pattern: "{/a,/b}/*"}]}', 'never-matches'],
    [
      'network: {matchProtocols: [{protocol: "x,tcp", fromSource: [{path: /a}]}]}',
      'unknown-protocol',
    ],
    ['network: {matchDNSQueries: [{domain: "*.evil.example"}]}', 'wildcard-domain'],
    ['network: {matchDNSQueries: [{domain: "a.example,www.*.example"}]}', 'never-matches'],
    ['network: {matchDNSQueries: [{domain: "*"}]}', 'never-matches'],
    ['network: {matchDNSQueries: [{domain: "*.*.example"}]}', 'never-matches'],
    ['network: {matchDNSQueries: [{domain: "*."}]}', 'never-matches'],
    ['network: {matchDNSQueries: [{domain: .}]}', 'never-matches'],
    ['apparmor: "profile x {}"', 'native-profile'],
    ['process: {}', 'no-rules'],
  ])('warns in both modes of what %s really means', (line, code) => {
    for (const mode of ['lenient', 'crd'] as const) {
      const { codes, spec } = parse(`  ${line}\n`, { mode });
      expect(codes).toContain(`warning:${code}`);
      expect(spec).toBeDefined();
    }
  });

  it.each([
    'hostward.io/tier: exception, hostward.io/until: "2030-01-31T18:00:00Z"',
    'hostward.io/tier: baseline',
  ])('warns of no list where an Allow makes none: %s', (marks) => {
    const text = HEAD.replace('{name: p}', `{name: p, annotations: {${marks}}}`);
    const rule = '  process: {matchPaths: [{path: /a, action: Allow}]}\n';
    expect(parseDocuments(text + rule).diagnostics).toEqual([]);
  });

  it('takes 20 allowed arguments and refuses 21, as the CRD does', () => {
    const withArguments = (count: number): string =>
      `  process: {matchPaths: [{path: /a, allowedArgs: [${Array<string>(count).fill('x').join(',')}]}]}\n`;
    for (const mode of ['lenient', 'crd'] as const) {
      expect(parse(withArguments(20), { mode }).codes).toEqual([]);
      expect(parse(withArguments(21), { mode }).codes).toEqual(['error:too-many-items']);
    }
  });

  it('warns that Block has no effect on system calls', () => {
    expect(
      parse('  action: Block\n  syscalls: {matchSyscalls: [{syscall: [unlink]}]}\n').codes,
    ).toEqual(['warning:observe-only']);
  });

  it('stores a name with spaces, underscores or capitals as a DNS name', () => {
    const { documents } = parseDocuments(HEAD.replace('name: p', 'name: Hsp audit_su'));
    expect(documents[0]).toMatchObject({
      name: 'hsp-audit-su',
      document: { metadata: { name: 'hsp-audit-su' } },
    });
  });
});

describe("Hostward's own marks", () => {
  function withAnnotations(annotations: string): string[] {
    const text = HEAD.replace('{name: p}', `{name: p, annotations: {${annotations}}}`);
    const { diagnostics } = parseDocuments(`${text}  process: {matchPaths: [{path: /a}]}\n`);
    return diagnostics.map(({ severity, rule }) => `${severity}:${rule}`);
  }

  it.each([
    'hostward.io/tier: baseline',
    'hostward.io/tier: exception, hostward.io/until: "2030-01-31T18:00:00Z"',
    'hostward.io/posture: block, hostward.io/override-protection: "true"',
    'example.org/owner: me',
  ])('are taken where they are right: %s', (annotations) => {
    expect(withAnnotations(annotations)).toEqual([]);
  });

  it.each([
    'hostward.io/tier: top',
    'hostward.io/tier: exception',
    'hostward.io/until: "2030-01-31T18:00:00Z"',
    'hostward.io/tier: exception, hostward.io/until: tomorrow',
    'hostward.io/postur: block',
  ])('are refused where they would be without effect: %s', (annotations) => {
    expect(withAnnotations(annotations)).toEqual(['error:bad-mark']);
  });

  it.each([
    ['hostward.io/group: web', undefined],
    ['hostward.io/all-hosts: "true"', undefined],
    ['hostward.io/all-hosts: "false"', 'error:bad-mark'],
    ['hostward.io/grup: web', 'error:bad-mark'],
    ['hostward.io/group: "a,b"', 'error:bad-mark'],
    ['kubernetes.io/hostname: gke', 'warning:kubernetes-label'],
    ['kubearmor.io/hostname: "web-*"', 'warning:never-matches'],
    ['kubearmor.io/hostnamereg: "web-[0-9]+"', 'warning:never-matches'],
    ['"a b": c', 'warning:never-matches'],
  ])('and labels in a selector are judged: %s', (label, expected) => {
    const text = HEAD.replace('env: prod', label);
    const { diagnostics } = parseDocuments(`${text}  process: {matchPaths: [{path: /a}]}\n`);
    expect(diagnostics.map(({ severity, rule }) => `${severity}:${rule}`)).toEqual(
      expected ? [expected] : [],
    );
  });
});
