import { describe, expect, it } from '@jest/globals';
import type { RuleSet } from '#policy-model';
import { golden } from '#testing';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import { sourceProfileName } from './resolve/names.js';
import type { HostCapabilities } from './plan/types.js';

const recursive = true;
const dpkg = [{ path: '/usr/bin/dpkg' }];
const BINS = ['/usr/local/bin/', '/sbin/', '/bin/', '/usr/bin/'].map((dir) => ({
  dir,
  recursive,
  readOnly: true,
}));

/** One case a golden file: what a reviewer should see of a change to the compiler. */
const CASES: readonly (readonly [string, RuleSet, Partial<HostCapabilities>?])[] = [
  ['empty', ruleSet()],
  [
    'tutorial',
    ruleSet(
      policy('block-cpuinfo', {
        file: { matchPaths: [{ path: '/proc/cpuinfo', fromSource: [{ path: '/usr/bin/cat' }] }] },
      }),
      policy('block-sleep', { process: { matchPaths: [{ path: '/bin/sleep' }] } }),
    ),
  ],
  [
    'read-only-binaries-but-for-dpkg',
    ruleSet(
      policy('binaries', { file: { matchDirectories: BINS } }),
      policy('upgrades', {
        file: {
          matchDirectories: BINS.map((dir) => ({ ...dir, readOnly: false, fromSource: dpkg })),
          action: 'Allow',
        },
      }),
    ),
  ],
  [
    'order-of-rules',
    ruleSet(
      policy(
        'base',
        { file: { matchDirectories: [{ dir: '/srv/', recursive }] } },
        { 'hostward.io/tier': 'baseline' },
      ),
      policy(
        'exception',
        { file: { matchPaths: [{ path: '/srv/x' }], action: 'Allow' } },
        { 'hostward.io/tier': 'exception' },
      ),
      policy('normal', {
        file: {
          matchDirectories: [
            { dir: '/data/', recursive },
            { dir: '/data/public/', recursive, action: 'Allow' },
            { dir: '/data/public/', recursive, action: 'Audit' },
          ],
          matchPaths: [{ path: '/data/public/key', ownerOnly: true }],
        },
      }),
    ),
  ],
  [
    'lists-and-cells',
    ruleSet(
      policy(
        'nginx',
        {
          process: {
            matchPaths: [{ path: '/usr/sbin/nginx', fromSource: [{ path: '/usr/sbin/nginx' }] }],
            action: 'Allow',
          },
          network: {
            matchProtocols: [{ protocol: 'udp', fromSource: [{ path: '/usr/sbin/nginx' }] }],
          },
          capabilities: {
            matchCapabilities: [
              { capability: 'net_raw', fromSource: [{ path: '/usr/sbin/nginx' }] },
            ],
          },
        },
        { 'hostward.io/posture': 'block' },
      ),
    ),
    { loadedNames: [sourceProfileName('/usr/bin/gone')] },
  ],
];

describe('golden files', () => {
  it.each(CASES)('%s', (name, set, host = {}) => {
    const { texts, report } = compileRuleSet(set, debian(host));
    for (const [file, text] of [
      [`${name}.enforce.txt`, texts.enforce],
      [`${name}.audit.txt`, texts.audit],
      [`${name}.report.json`, `${JSON.stringify(report.policies, null, 2)}\n`],
    ] as const) {
      expect(text).toBe(golden(`libs/policy-compiler/golden/${file}`, text));
    }
  });
});
