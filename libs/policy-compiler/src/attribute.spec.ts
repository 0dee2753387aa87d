import { describe, expect, it } from '@jest/globals';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';
import type { AttributionTable, Denial } from './plan/types.js';

const curl = [{ path: '/usr/bin/curl' }];
const table: AttributionTable = compileRuleSet(
  ruleSet(
    policy('bins', {
      severity: 7,
      tags: ['FIM'],
      message: 'binaries are read-only',
      file: { matchDirectories: [{ dir: '/usr/bin/', recursive: true, readOnly: true }] },
      process: { matchPaths: [{ path: '/usr/bin/xmrig' }] },
    }),
    policy('curl', {
      network: {
        matchProtocols: [
          { protocol: 'all', fromSource: curl },
          { protocol: 'tcp', fromSource: curl },
        ],
      },
      capabilities: { matchCapabilities: [{ capability: 'net_raw', fromSource: curl }] },
    }),
    policy(
      'list',
      {
        process: {
          matchPaths: [
            { path: '/usr/bin/id', fromSource: [{ path: '/usr/sbin/nginx' }], action: 'Allow' },
          ],
        },
      },
      { 'hostward.io/posture': 'block' },
    ),
    policy('watch', { file: { matchPaths: [{ path: '/etc/passwd', action: 'Audit' }] } }),
  ),
  debian(),
).report.attribution;

function cause(denial: Denial): string | undefined {
  const found = attribute(table, denial);
  return found === undefined ? undefined : `${found.policy} ${found.rule} ${found.action}`;
}

describe('attribution', () => {
  it('carries what an alert shows', () => {
    expect(
      attribute(table, { profile: 'hostward', name: '/usr/bin/ls', requested: 'wc', denied: 'wc' }),
    ).toEqual({
      policy: 'bins',
      revision: '7',
      rule: 'file/matchDirectories/0',
      action: 'Block',
      severity: 7,
      tags: ['FIM'],
      message: 'binaries are read-only',
    });
  });

  it('takes creating, deleting and appending for writing', () => {
    for (const denied of ['c', 'd', 'a', 'w', 'wd']) {
      expect(cause({ profile: 'hostward', name: '/usr/bin/new', denied })).toBe(
        'bins file/matchDirectories/0 Block',
      );
    }
  });

  it('tells a program start from an access to its file', () => {
    expect(
      cause({ profile: 'hostward', operation: 'exec', name: '/usr/bin/xmrig', denied: 'x' }),
    ).toBe('bins process/matchPaths/0 Block');
    expect(
      cause({ profile: 'hostward', operation: 'open', name: '/usr/bin/xmrig', denied: 'r' }),
    ).toBeUndefined();
  });

  it('finds the rule of a hard link that was refused for the sake of its target', () => {
    const link = {
      profile: 'hostward',
      operation: 'link',
      name: '/tmp/x',
      target: '/usr/bin/xmrig',
      denied: 'x',
    };
    expect(cause(link)).toBe('bins process/matchPaths/0 Block');
  });

  it('names the more special of two network rules, and nothing for a socket within the host', () => {
    const profile = sourceProfileName('/usr/bin/curl');
    expect(
      cause({ profile, operation: 'create', family: 'inet', sockType: 'stream', denied: 'create' }),
    ).toBe('curl network/matchProtocols/1 Block');
    expect(
      cause({
        profile,
        operation: 'create',
        family: 'vsock',
        sockType: 'stream',
        denied: 'create',
      }),
    ).toBe('curl network/matchProtocols/0 Block');
    expect(
      cause({ profile, operation: 'create', family: 'unix', sockType: 'stream', denied: 'create' }),
    ).toBeUndefined();
  });

  it('knows a capability by number and by name', () => {
    const profile = sourceProfileName('/usr/bin/curl');
    expect(cause({ profile, operation: 'capable', capability: 13 })).toBe(
      'curl capabilities/matchCapabilities/0 Block',
    );
    expect(cause({ profile, operation: 'capable', capability: 13, capname: 'net_raw' })).toBe(
      'curl capabilities/matchCapabilities/0 Block',
    );
  });

  it('names the allow-list where no rule denied but nothing listed the program', () => {
    const profile = sourceProfileName('/usr/sbin/nginx');
    expect(cause({ profile, operation: 'exec', name: '/usr/bin/wget', denied: 'x' })).toBe(
      'DefaultPosture process: not listed by list process/matchPaths/0 Block',
    );
  });

  it('names the Audit behind a record without a denial', () => {
    expect(
      cause({ profile: 'hostward', operation: 'open', name: '/etc/passwd', requested: 'r' }),
    ).toBe('watch file/matchPaths/0 Audit');
  });

  it('names the Block that would have denied while the host is in audit mode', () => {
    expect(
      cause({ profile: 'hostward', operation: 'exec', name: '/usr/bin/xmrig', requested: 'x' }),
    ).toBe('bins process/matchPaths/0 Block');
  });

  it('gives retired profiles the general rules', () => {
    expect(
      cause({
        profile: sourceProfileName('/gone'),
        operation: 'exec',
        name: '/usr/bin/xmrig',
        denied: 'x',
      }),
    ).toBe('bins process/matchPaths/0 Block');
  });

  it.each([
    {},
    { profile: 'docker-default' },
    { profile: 'hostward' },
    { profile: 'hostward', name: '/x', denied: '?' },
  ])('says nothing of a record that no rule of ours explains (case %#)', (more) => {
    expect(attribute(table, { name: '/usr/bin/xmrig', ...more })).toBeUndefined();
  });

  it('takes the enforcer’s word where a record stands for others and has no name', () => {
    const rule = table.rules.findIndex(({ policy: name }) => name === 'bins');
    expect(cause({ profile: 'hostward', operation: 'open', denied: 'r', rule })).toMatch(/^bins /);
    expect(
      cause({ profile: 'hostward', operation: 'open', denied: 'r', rule: 99 }),
    ).toBeUndefined();
  });

  it('finds the rule behind a query to DNS by the name, or the list that lacks it', () => {
    const asked = (name: string, profile = 'hostward') => {
      const query = { operation: 'query', name, requested: 'q', denied: 'q', profile };
      return attribute(names, query)?.rule;
    };
    const { attribution: names } = compileRuleSet(
      ruleSet(
        policy('evil', { network: { matchDNSQueries: [{ domain: 'evil.example' }] } }),
        policy(
          'only',
          {
            action: 'Allow',
            network: { matchDNSQueries: [{ domain: 'only.example', fromSource: curl }] },
          },
          { 'hostward.io/posture': 'block' },
        ),
      ),
      debian({ bpf: true, queries: true }),
    ).report;
    expect(asked('www.evil.example')).toBe('network/matchDNSQueries/0');
    expect(asked('other.example', sourceProfileName('/usr/bin/curl'))).toBe(
      'dns: not listed by only network/matchDNSQueries/0',
    );
    expect(asked('other.example')).toBeUndefined();
  });

  it('survives JSON, in which it travels', () => {
    const copy: AttributionTable = JSON.parse(JSON.stringify(table)) as AttributionTable;
    expect(
      attribute(copy, { profile: 'hostward', name: '/usr/bin/xmrig', denied: 'x' })?.policy,
    ).toBe('bins');
  });
});
