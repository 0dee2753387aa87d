import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { compileRuleSet, GENERIC_DEBIAN } from '#policy-compiler';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { needsOfLogins } from './logins.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hw-logins-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const needs = (passwd: readonly string[]) => {
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), `${passwd.join('\n')}\n`);
  const all = needsOfLogins(root);
  const isKeys = ({ path }: { readonly path: string }) => path.endsWith('/authorized_keys');
  return { keys: all.filter(isKeys), shells: all.filter((need) => !isKeys(need)) };
};
const pathsOf = (all: readonly { readonly path: string }[]) => all.map(({ path }) => path);

const USERS = [
  'root:x:0:0:root:/root:/bin/bash',
  'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
  'postgres:x:105:112::/var/lib/postgresql:/usr/bin/psql-shell',
  'ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash',
  'ci:x:1001:1001::/srv/ci:/bin/false',
  'twin:x:1002:1002::/home/ubuntu/:/usr/bin/zsh',
  'nohome:x:1003:1003::/:/usr/bin/fish',
  'default:x:1004:1004::/home/default:',
  'nobody:x:65534:65534:nobody:/nonexistent:/bin/sh',
  'broken',
];

describe('what logins need', () => {
  it('are the keys of root and of people with a shell, and of no service', () => {
    expect(pathsOf(needs(USERS).keys)).toEqual([
      '/root/.ssh/authorized_keys',
      '/home/ubuntu/.ssh/authorized_keys',
      '/home/default/.ssh/authorized_keys',
    ]);
  });

  it('are their shells, each once', () => {
    expect(pathsOf(needs(USERS).shells)).toEqual([
      '/bin/bash',
      '/usr/bin/zsh',
      '/usr/bin/fish',
      '/bin/sh',
    ]);
  });

  it('are so many of each at most', () => {
    const line = (i: number): string => `u${i}:x:${2000 + i}:2000::/home/u${i}:/bin/sh${i}`;
    const { keys, shells } = needs(Array.from({ length: 500 }, (_, i) => line(i)));
    expect([keys.length, shells.length]).toEqual([64, 64]);
  });

  it('are none where nothing is known of users', () => {
    expect(needsOfLogins(root)).toEqual([]);
  });

  it.each<[string, Omit<HostPolicySpec, 'nodeSelector'>, HostPolicy['metadata']['annotations']]>([
    ['a Block of it by its name', { process: { matchPaths: [{ execname: 'zsh' }] } }, {}],
    [
      'a Block of it for sshd',
      { process: { matchPaths: [{ path: '/opt/zsh', fromSource: [{ path: '/usr/sbin/sshd' }] }] } },
      {},
    ],
    [
      'a list that does not name it',
      {
        process: { matchDirectories: [{ dir: '/usr/', recursive: true }], action: 'Allow' },
      },
      { 'hostward.io/posture': 'block' },
    ],
  ])('are not taken away: %s', (_what, spec, annotations) => {
    const { shells } = needs(['root:x:0:0:root:/root:/bin/bash', 'a:x:1000:0::/home/a:/opt/zsh']);
    const nodeSelector = { matchLabels: { a: 'b' } };
    const document: HostPolicy = {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorHostPolicy',
      metadata: { name: 'p', annotations },
      spec: { nodeSelector, ...spec },
    };
    const { report } = compileRuleSet(
      { policies: [{ document, revision: '1' }] },
      {
        ...{ lsm: [], loadedNames: [], bpf: true, resolve: GENERIC_DEBIAN.resolve },
        controlPath: { paths: shells },
      },
    );
    expect(report.policies[0]?.rules[0]?.plan).toBe('refused');
  });
});
