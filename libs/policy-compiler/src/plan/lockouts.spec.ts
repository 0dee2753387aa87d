import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { HostPolicy, HostPolicySpec } from '#policy-model';
import { compileRuleSet } from '../compile.js';
import { debian, policy, ruleSet } from '../fixtures/rule-sets.js';
import { findLockouts } from './lockouts.js';
import { addressClients, GENERIC_DEBIAN, waysToRoot } from './protected-paths.js';
import { TableReader } from '../bpf/read-table.js';

const SENSOR = new URL('../../../sensor/native/src/', import.meta.url);
const HOST_FILES = new URL('../../../../apps/agent/src/config/host-files.ts', import.meta.url);

const BLOCK_THE_REST = { 'hostward.io/posture': 'block' };

type Sections = Omit<HostPolicySpec, 'nodeSelector'>;

function lockouts(sections: Sections, annotations: Record<string, string> = {}): readonly string[] {
  const found = findLockouts(ruleSet(policy('p', sections, annotations)), GENERIC_DEBIAN);
  return found.map(({ rule, protects }) => `${rule}: ${protects}`);
}

/** The objects of the five policies of the public corpus that would lock a host, reduced, in our own words. */
const CORPUS: readonly (readonly [string, Sections, RegExp])[] = [
  [
    'all of /dev (ac-6-10)',
    {
      file: {
        matchDirectories: [
          { dir: '/dev/', recursive: true },
          { dir: '/root/', recursive: true },
        ],
      },
    },
    /\/dev\/null/,
  ],
  [
    '/dev and /tmp but for owners (cm-1)',
    {
      file: {
        matchDirectories: [{ dir: '/dev/', recursive: true, readOnly: true, ownerOnly: true }],
      },
    },
    /\/dev\/null/,
  ],
  [
    'what sudo includes',
    { file: { matchPatterns: [{ pattern: '/etc/sudoers.d/*' }] } },
    /configuration of sudo/,
  ],
  [
    'what sshd includes',
    { file: { matchPatterns: [{ pattern: '/etc/ssh/sshd_config.d/*.conf' }] } },
    /configuration of sshd/,
  ],
  ['udev', { process: { matchPaths: [{ path: '/usr/bin/udevadm' }] } }, /systemd/],
  [
    'control groups, which systemd writes to',
    { file: { matchDirectories: [{ dir: '/sys/fs/cgroup/', recursive: true, readOnly: true }] } },
    /control groups/,
  ],
  [
    'what PAM writes of who logs in',
    { file: { matchDirectories: [{ dir: '/proc/', recursive: true, readOnly: true }] } },
    /login uid/,
  ],
  [
    'the C library (cve-2019-14271)',
    { file: { matchDirectories: [{ dir: '/lib/x86_64-linux-gnu/' }] } },
    /C library|loader/,
  ],
  [
    'programs below /usr/lib but for owners (stig-010427)',
    {
      process: {
        matchDirectories: ['/lib/', '/usr/lib/', '/lib64/'].map((dir) => ({
          dir,
          recursive: true,
          ownerOnly: true,
        })),
      },
    },
    /./,
  ],
  ['what PAM includes', { file: { matchPaths: [{ path: '/etc/pam.d/common-account' }] } }, /PAM/],
  [
    'the limits that PAM sets',
    { file: { matchDirectories: [{ dir: '/etc/security/', recursive: true }] } },
    /PAM/,
  ],
  [
    'what sudo is made of',
    { file: { matchDirectories: [{ dir: '/usr/libexec/', recursive: true }] } },
    /what sudo is made of/,
  ],
  [
    "every process' own folder",
    { file: { matchPatterns: [{ pattern: '/proc/[0-9]*/stat' }] } },
    /\/proc/,
  ],
  [
    '/etc/shadow (cve-2018-18955)',
    { file: { matchPaths: ['/etc/shadow', '/etc/subuid'].map((path) => ({ path })) } },
    /passwords/,
  ],
];

describe('protection of the control path', () => {
  it.each(CORPUS)('refuses a Block of %s', (_, sections, words) => {
    expect(lockouts(sections).join('; ')).toMatch(words);
  });

  it('names rule, path and remedy', () => {
    const [lockout] = findLockouts(
      ruleSet(policy('p', { file: { matchPaths: [{ path: '/etc/shadow' }] } })),
      GENERIC_DEBIAN,
    );
    expect(lockout).toMatchObject({ policy: 'p', rule: 'file/matchPaths/0', path: '/etc/shadow' });
    expect(lockout?.message).toBe(
      'file/matchPaths/0 would block passwords of logins (/etc/shadow), which the control path needs',
    );
    expect(lockout?.remedy).toContain('hostward.io/override-protection');
  });

  it('names every rule of a policy, not only the first', () => {
    const paths = ['/usr/sbin/sshd', '/usr/bin/sudo', '/usr/bin/true', '/bin/bash'].map((path) => ({
      path,
    }));
    expect(lockouts({ process: { matchPaths: paths } }).map((line) => line.split(':')[0])).toEqual([
      'process/matchPaths/0',
      'process/matchPaths/1',
      'process/matchPaths/3',
    ]);
  });

  it('names a rule that stands behind another', () => {
    const sections: Sections = {
      file: { matchPaths: [{ path: '/etc/shadow' }], matchDirectories: [{ dir: '/etc/' }] },
    };
    expect(lockouts(sections)).toHaveLength(2);
  });

  it('names thousands of copies of one rule, and of an allow-list, at once', () => {
    const copies = (path: string) => Array.from({ length: 5000 }, () => ({ path }));
    const list: Sections = { process: { matchPaths: copies('/usr/bin/id'), action: 'Allow' } };
    expect(lockouts({ file: { matchPaths: copies('/dev/null') } })).toHaveLength(5000);
    expect(lockouts(list, { 'hostward.io/posture': 'block' })).toHaveLength(5000);
  });

  it('names no rule behind one with the override, nor behind an Allow that stays', () => {
    const shadow = { matchPaths: [{ path: '/etc/shadow' }] };
    const named = (middle: HostPolicy, last: Sections): readonly string[] => {
      const first = policy('a', { file: shadow }, { 'hostward.io/tier': 'baseline' });
      const set = ruleSet(first, middle, policy('z', last));
      return findLockouts(set, GENERIC_DEBIAN).map(({ policy: name }) => name);
    };
    const override = { 'hostward.io/override-protection': 'true' };
    expect(named(policy('m', { file: shadow }, override), { file: shadow })).toEqual(['a']);
    const pattern: Sections = { file: { matchPatterns: [{ pattern: '/etc/shado?' }] } };
    const allow: Sections = { file: { ...shadow, action: 'Allow' } };
    expect(named(policy('m', allow), pattern)).toEqual(['a']);
    expect(named(policy('m', {}), pattern)).toEqual(['a', 'z']);
  });

  it.each([
    ['any byte behind any path', `/${'**?'.repeat(14)}X`],
    ['braces', `/${'{**,**}'.repeat(12)}X`],
  ])('answers a pattern made to hang it: %s', (_, pattern) => {
    expect(lockouts({ file: { matchPatterns: [{ pattern }] } })).toEqual([]);
  });

  it.each<readonly [string, Sections]>([
    ['network', { network: { matchProtocols: [{ protocol: 'tcp' }] } }],
    ['name resolution', { network: { matchProtocols: [{ protocol: 'udp' }] } }],
    ['capabilities of logins', { capabilities: { matchCapabilities: [{ capability: 'setuid' }] } }],
    ['everything by a pattern', { process: { matchPatterns: [{ pattern: '/**' }] } }],
    ['python by execname of its link', { process: { matchPaths: [{ execname: 'python3' }] } }],
    ['its own configuration', { file: { matchDirectories: [{ dir: '/etc/hostward/' }] } }],
    ['what is called .old', { file: { matchPatterns: [{ pattern: '/**/*.old' }] } }],
    ['what is called .new', { file: { matchPatterns: [{ pattern: '/**/*.new' }] } }],
    [
      'writing what is called .json',
      { file: { matchPatterns: [{ pattern: '/**/*.json', readOnly: true }] } },
    ],
    ['what is called .key', { file: { matchPatterns: [{ pattern: '/**/*.key' }] } }],
    [
      'its own state',
      { file: { matchDirectories: [{ dir: '/var/lib/hostward/sensor/', recursive: true }] } },
    ],
  ])('refuses a Block of %s for every program', (_, sections) => {
    expect(lockouts(sections).length).toBeGreaterThan(0);
  });

  it('refuses a Block of each file without which the sensor takes no other rule set', () => {
    const names = ['snapshot.h', 'boots.c'].flatMap((file) => {
      const text = readFileSync(new URL(file, SENSOR), 'utf8');
      return [...text.matchAll(/^#define [A-Z_]+ "([a-z.]+)"$/gm)].map(([, name]) => name);
    });
    expect(names).toEqual([
      ...['snapshot', 'snapshot.prev', 'envelope', 'envelope.prev'],
      ...['memory', 'boots'],
    ]);
    const files = [...names, 'snapshot.old', 'memory.old'].flatMap((name) => [
      name,
      `.${name}.new`,
    ]);
    const passed = files.filter(
      (name) =>
        lockouts({ file: { matchPaths: [{ path: `/var/lib/hostward/sensor/${name}` }] } })
          .length === 0,
    );
    expect(passed).toEqual([]);
  });

  it('refuses a Block of the keys of the one login that an image of a cloud has', () => {
    const block = (dir: string) =>
      lockouts({ file: { matchDirectories: [{ dir, recursive: true }] } });
    expect(block('/home/ubuntu/.ssh/')).toHaveLength(1);
    expect(block('/home/somebody/.ssh/')).toEqual([]);
  });

  it.each<readonly [string, Sections]>([
    ['/sys', { file: { matchDirectories: [{ dir: '/sys/', recursive: true }] } }],
    ['what types the kernel has', { file: { matchDirectories: [{ dir: '/sys/kernel/btf/' }] } }],
    ['which modules are active', { file: { matchPaths: [{ path: '/sys/kernel/security/lsm' }] } }],
    ['names of the kernel', { file: { matchPaths: [{ path: '/proc/kallsyms' }] } }],
    [
      'writing below /sys/fs',
      { file: { matchDirectories: [{ dir: '/sys/fs/', recursive: true, readOnly: true }] } },
    ],
  ])('refuses a Block of %s, which a sensor meets that is started under it', (_, sections) => {
    expect(lockouts(sections).length).toBeGreaterThan(0);
  });

  it('refuses a Block of each file without which the agent reaches nobody after its next start', () => {
    const text = readFileSync(HOST_FILES, 'utf8');
    const names = [...text.matchAll(/join\(agentDir, (?:place, )?'([^']+)'\)/g)].map(
      ([, name = '']) => name,
    );
    const passed = names.filter(
      (name) =>
        lockouts({ file: { matchPaths: [{ path: `/var/lib/hostward/agent/${name}` }] } }).length ===
        0,
    );
    expect(passed).toEqual(['spool', 'health.json', 'observed.json']);
  });

  it.each<readonly [string, Sections]>([
    [
      "the agent's folder",
      { file: { matchDirectories: [{ dir: '/var/lib/hostward/agent/', recursive: true }] } },
    ],
    [
      "writing in the agent's folder",
      {
        file: {
          matchDirectories: [{ dir: '/var/lib/hostward/agent/', recursive: true, readOnly: true }],
        },
      },
    ],
    ['certificates', { file: { matchPatterns: [{ pattern: '/**/*.crt' }] } }],
    [
      'keys for others than their owners',
      { file: { matchPatterns: [{ pattern: '/**/*.key', ownerOnly: true }] } },
    ],
  ])('refuses a Block of %s, which the agent would meet at its next start', (_, sections) => {
    expect(lockouts(sections).length).toBeGreaterThan(0);
  });

  it.each<readonly [string, Sections]>([
    [
      'miners',
      {
        process: {
          matchPaths: [{ execname: 'xmrig' }, { path: '/usr/bin/nmap' }],
          matchDirectories: [{ dir: '/tmp/', recursive: true }],
        },
      },
    ],
    [
      'read-only binaries',
      {
        file: {
          matchDirectories: ['/usr/bin/', '/sbin/', '/bin/', '/boot/'].map((dir) => ({
            dir,
            recursive: true,
            readOnly: true,
          })),
        },
      },
    ],
    [
      'cpuinfo for cat',
      { file: { matchPaths: [{ path: '/proc/cpuinfo', fromSource: [{ path: '/usr/bin/cat' }] }] } },
    ],
    [
      'shadow for cat',
      { file: { matchPaths: [{ path: '/etc/shadow', fromSource: [{ path: '/usr/bin/cat' }] }] } },
    ],
    ['sleep', { process: { matchPaths: [{ path: '/usr/bin/sleep' }] } }],
    [
      'sleep for bash',
      {
        process: { matchPaths: [{ path: '/usr/bin/sleep', fromSource: [{ path: '/bin/bash' }] }] },
      },
    ],
    [
      'shadow for others than its owner',
      { file: { matchPaths: [{ path: '/etc/shadow', ownerOnly: true }] } },
    ],
    ['raw sockets', { network: { matchProtocols: [{ protocol: 'raw' }] } }],
  ])('lets a Block of %s pass', (_, sections) => {
    expect(lockouts(sections)).toEqual([]);
  });

  it('protects a program of the control path from rules limited to it', () => {
    const sshd = [{ path: '/usr/sbin/sshd' }];
    expect(
      lockouts({ file: { matchPaths: [{ path: '/etc/shadow', fromSource: sshd }] } }),
    ).toHaveLength(1);
    expect(
      lockouts({ network: { matchProtocols: [{ protocol: 'tcp', fromSource: sshd }] } }),
    ).toHaveLength(1);
    expect(
      lockouts({ process: { matchPaths: [{ path: '/bin/bash', fromSource: sshd }] } }),
    ).toHaveLength(1);
    expect(lockouts({ file: { matchPaths: [{ path: '/srv/x', fromSource: sshd }] } })).toEqual([]);
  });

  it.each([
    ['/usr/sbin/sshd', '/usr/lib/systemd/systemd-executor'],
    ['/usr/lib/openssh/sshd-session', '/usr/sbin/sshd'],
    ['/usr/lib/openssh/sftp-server', '/usr/lib/openssh/sshd-session'],
    ['/usr/bin/bash', '/usr/lib/openssh/sshd-session'],
    ['/usr/bin/login', '/usr/sbin/agetty'],
    ['/usr/bin/sudo', '/usr/bin/bash'],
    ['/usr/lib/hostward/hostward-sensor', '/usr/lib/systemd/systemd-executor'],
    ['/usr/sbin/apparmor_parser', '/usr/lib/hostward/node'],
  ])('keeps %s startable by %s, which starts it', (path, source) => {
    const blocked = (by: string) =>
      lockouts({ process: { matchPaths: [{ path, fromSource: [{ path: by }] }] } });
    expect(blocked(source)).toHaveLength(1);
    expect(blocked('/usr/sbin/nginx')).toEqual([]);
    const list = (programs: readonly string[]) =>
      lockouts(
        {
          process: {
            matchPaths: programs.map((each) => ({ path: each, fromSource: [{ path: source }] })),
          },
          action: 'Allow',
        },
        BLOCK_THE_REST,
      );
    expect(list(['/usr/bin/id'])).not.toEqual([]);
  });

  it('refuses an allow-list of the whole host under posture block', () => {
    const list: Sections = { process: { matchPaths: [{ path: '/usr/bin/id' }], action: 'Allow' } };
    expect(lockouts(list, { 'hostward.io/posture': 'block' })).toHaveLength(1);
    expect(lockouts(list)).toEqual([]);
  });

  describe.each([false, true])(
    'by the names of sockets that an enforcer knows (BPF: %s)',
    (bpf) => {
      const planOf = (action: 'Allow' | 'Block', protocols: readonly string[]) => {
        const matchProtocols = protocols.map((protocol) => ({ protocol }));
        const set = policy('p', { network: { matchProtocols, action } }, BLOCK_THE_REST);
        const rules = compileRuleSet(ruleSet(set), debian({ bpf })).report.policies[0]?.rules;
        return rules?.map(({ plan, reason = '' }) => [plan, / \((.*)\), which/.exec(reason)?.[1]]);
      };

      it.each([
        ['Allow', ['tcp', 'udp', 'packet']],
        ['Allow', ['stream', 'dgram', 'packet']],
        ['Allow', ['all']],
        ['Block', ['raw']],
        ['Block', ['seqpacket']],
      ] as const)('takes %s of %j', (action, protocols) => {
        expect(planOf(action, protocols)).toEqual(protocols.map(() => ['enforce', undefined]));
      });

      it.each([
        ['Allow', ['tcp', 'packet'], 'inet dgram'],
        ['Allow', ['tcp', 'udp'], 'packet dgram'],
        ['Allow', ['udp', 'packet'], 'inet stream'],
        ['Block', ['tcp'], bpf ? 'inet tcp' : 'inet stream'],
        ['Block', ['dgram'], bpf ? 'inet udp' : 'inet dgram'],
        ['Block', ['packet'], 'packet dgram'],
        ['Block', ['all'], bpf ? 'inet tcp' : 'inet stream'],
      ] as const)('refuses %s of %j', (action, protocols, why) => {
        expect(planOf(action, protocols)).toEqual(protocols.map(() => ['refused', why]));
      });

      it.each(['icmp', 'icmpv6', 'sctp', 'dccp'])(
        'takes a Block of %s wherever there is one',
        (protocol) => {
          expect(planOf('Block', [protocol])).toEqual([
            [bpf ? 'enforce' : 'unsupported', undefined],
          ]);
        },
      );
    },
  );

  it('keeps the capabilities by which BPF takes another rule set, wherever BPF enforces', () => {
    const refused = (capability: string, source: string | undefined, bpf: boolean): boolean => {
      const fromSource = source === undefined ? undefined : [{ path: source }];
      const capabilities = { matchCapabilities: [{ capability, fromSource }] };
      const set = ruleSet(policy('p', { capabilities }));
      const { report } = compileRuleSet(set, debian({ bpf }));
      return report.policies[0]?.rules[0]?.plan === 'refused';
    };
    const unit = readFileSync(new URL('../systemd/hostward-sensor.service', SENSOR), 'utf8');
    const bounds = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.toLowerCase() ?? '';
    const own = bounds.replaceAll('cap_', '').split(' ');
    const sensor = '/usr/lib/hostward/hostward-sensor';
    const kept = own.filter((capability) => refused(capability, sensor, true));
    // Of AppArmor's policy and of the audit stream, and what it looks at others by.
    const lesser = ['mac_admin', 'audit_read', 'audit_control', 'sys_ptrace'];
    expect(kept).toEqual(own.filter((capability) => !lesser.includes(capability)));
    for (const capability of ['bpf', 'perfmon', 'syslog']) {
      expect(refused(capability, undefined, true)).toBe(true);
      expect(refused(capability, undefined, false)).toBe(false);
    }
  });

  it('keeps what a lease of DHCP is asked for by', () => {
    const blocked = (fromSource?: readonly { path: string }[]) =>
      lockouts({ capabilities: { matchCapabilities: [{ capability: 'net_raw', fromSource }] } });
    expect(blocked()).toEqual(['capabilities/matchCapabilities/0: DHCP']);
    expect(blocked([{ path: '/usr/lib/systemd/systemd-networkd' }])).toHaveLength(1);
    expect(blocked([{ path: '/usr/sbin/sshd' }])).toEqual([]);
  });

  it.each([
    ['libstdc++.so.6', '/usr/lib/hostward/node'],
    ['libgcc_s.so.1', '/usr/lib/hostward/node'],
    ['libz.so.1', '/usr/sbin/sshd'],
    ['libaudit.so.1', '/usr/bin/sudo'],
    ['libseccomp.so.2', '/usr/lib/systemd/systemd'],
    ['libtinfo.so.6', '/usr/bin/bash'],
    ['libpam_misc.so.0', '/usr/bin/login'],
  ])('keeps %s, which %s is linked with', (name, program) => {
    const path = `/lib/x86_64-linux-gnu/${name}`;
    const blocked = (source?: string) =>
      lockouts({
        file: { matchPaths: [{ path, fromSource: source ? [{ path: source }] : undefined }] },
      });
    expect(blocked()).toHaveLength(1);
    expect(blocked(program)).toHaveLength(1);
    expect(blocked('/usr/bin/vim')).toEqual([]);
  });

  it.each([
    ['no sudo', ['/usr/bin/su'], 'su, as there is no sudo'],
    ['sudo', ['/usr/bin/su', '/usr/bin/sudo'], undefined],
    ['neither', [], undefined],
  ])('keeps su where the host has %s', (_what, has, kept) => {
    const facts = { paths: waysToRoot((path) => has.includes(path)) };
    const found = (sections: Sections) => {
      const set = ruleSet(policy('p', sections));
      return findLockouts(set, { resolve: GENERIC_DEBIAN.resolve, facts }).map(
        ({ protects }) => protects,
      );
    };
    const expected = kept === undefined ? [] : [kept];
    expect(found({ process: { matchPaths: [{ path: '/bin/su' }] } })).toEqual(expected);
    expect(found({ file: { matchPaths: [{ path: '/etc/pam.d/su' }] } })).toEqual(expected);
    const ofOthers = { path: '/etc/pam.d/su', fromSource: [{ path: '/usr/bin/vim' }] };
    expect(found({ file: { matchPaths: [ofOthers] } })).toEqual([]);
  });

  describe('keeps what gives the host its address', () => {
    const found = (sections: Sections, clients: readonly string[]) => {
      const facts = { paths: addressClients((path) => clients.includes(path)) };
      const set = ruleSet(policy('p', sections));
      return findLockouts(set, { resolve: GENERIC_DEBIAN.resolve, facts }).map(
        ({ protects, path }) => `${protects}: ${path}`,
      );
    };
    const run = (path: string, source?: string): Sections => ({
      process: { matchPaths: [{ path, fromSource: source ? [{ path: source }] : undefined }] },
    });
    const raw = (source: string): Sections => ({
      capabilities: {
        matchCapabilities: [{ capability: 'net_raw', fromSource: [{ path: source }] }],
      },
    });

    it.each([
      ['/usr/sbin/ifup', '/usr/bin/ip'],
      ['/usr/sbin/ifup', '/etc/network/interfaces'],
      ['/usr/sbin/dhclient', '/usr/sbin/dhclient-script'],
      ['/usr/sbin/dhclient', '/usr/bin/ip'],
      ['/usr/sbin/dhcpcd', '/sbin/dhcpcd'],
      ['/usr/sbin/dhcpcd', '/usr/lib/dhcpcd/dhcpcd-run-hooks'],
      ['/usr/sbin/NetworkManager', '/etc/NetworkManager/system-connections/'],
    ])('where that is %s: %s', (client, path) => {
      const sections: Sections = path.startsWith('/etc/')
        ? { file: { matchPaths: [{ path }] } }
        : run(path);
      const what = path.replace(/^\/sbin/, '/usr/sbin');
      expect(found(sections, [client])).toContain(`what gives the host its address: ${what}`);
      expect(found(sections, ['/usr/sbin/other'])).toEqual([]);
    });

    it('from it too, and from no program that has nothing to do with it', () => {
      const [dhclient, dhcpcd] = ['/usr/sbin/dhclient', '/usr/sbin/dhcpcd'];
      expect(found(run('/usr/bin/ip', dhclient), [dhclient])).toHaveLength(1);
      expect(found(run('/usr/bin/ip', '/usr/bin/python3'), [dhclient])).toEqual([]);
      expect(found(raw(dhclient), [dhclient])).toEqual(['DHCP: capability net_raw']);
      expect(found(raw(dhclient), [dhcpcd])).toEqual([]);
    });

    it('of systemd: the folders of its configuration', () => {
      const sections = { file: { matchDirectories: [{ dir: '/etc/systemd/network/' }] } };
      expect(found(sections, [])).toEqual([
        'the configuration of the network: /etc/systemd/network/',
      ]);
    });
  });

  it('asks a Block by the name alone that the kernel sees, where that is allowed', () => {
    const resolve = (path: string): readonly string[] =>
      path === '/usr/bin/python3' ? [path, '/usr/bin/python3.13'] : GENERIC_DEBIAN.resolve(path);
    const found = (allowed: string) => {
      const block = policy('block', {
        process: { matchPatterns: [{ pattern: '/usr/bin/python*' }] },
      });
      const allow = policy(
        'allow',
        { process: { matchPaths: [{ path: allowed }], action: 'Allow' } },
        { 'hostward.io/tier': 'baseline' },
      );
      return findLockouts(ruleSet(block, allow), { resolve }).map(({ policy: name }) => name);
    };
    expect(found('/usr/bin/python3.13')).toEqual([]);
    expect(found('/usr/bin/python3.12')).toEqual(['block']);
  });

  it('asks of lists together whether one has the override, whatever they are called', () => {
    const list = (name: string, path: string, annotations: Record<string, string> = {}) =>
      policy(
        name,
        { process: { matchPaths: [{ path }], action: 'Allow' } },
        { ...BLOCK_THE_REST, ...annotations },
      );
    const override = { 'hostward.io/override-protection': 'true' };
    for (const [plain, strong] of [
      ['a', 'z'],
      ['z', 'a'],
    ] as const) {
      const set = ruleSet(list(plain, '/usr/bin/curl'), list(strong, '/usr/sbin/sshd', override));
      expect(findLockouts(set, GENERIC_DEBIAN)).toEqual([]);
    }
  });

  it('counts what any program needs as listed, and nothing else of the control path', () => {
    const missing = (...dirs: readonly string[]): readonly string[] => {
      const matchDirectories = dirs.map((dir) => ({ dir, recursive: true }));
      const list: Sections = { file: { matchDirectories, action: 'Allow' } };
      return lockouts(list, { 'hostward.io/posture': 'block' });
    };
    const rest = [
      '/usr/bin/',
      '/usr/sbin/',
      '/etc/',
      '/var/',
      '/run/',
      '/root/',
      '/home/',
      '/proc/',
    ];
    expect(missing(...rest, '/dev/')).toEqual([]);
    expect(missing(...rest)).toHaveLength(rest.length);
  });

  it('lets the override through', () => {
    expect(
      lockouts(
        { file: { matchPaths: [{ path: '/etc/shadow' }] } },
        { 'hostward.io/override-protection': 'true' },
      ),
    ).toEqual([]);
  });

  it('counts a Block that an Allow undoes as no lock-out', () => {
    const block = policy('block', { file: { matchDirectories: [{ dir: '/etc/security/' }] } });
    const limits = {
      matchPaths: [{ path: '/etc/security/limits.conf' }],
      action: 'Allow',
    } as const;
    const allow = policy('allow', { file: limits }, { 'hostward.io/tier': 'baseline' });
    expect(findLockouts(ruleSet(block), GENERIC_DEBIAN)).toHaveLength(1);
    expect(findLockouts(ruleSet(block, allow), GENERIC_DEBIAN)).toEqual([]);
  });

  it('sees what the host adds to its control path, and where its links lead', () => {
    const facts = { paths: [{ what: 'the route', path: '/opt/vpn/bin/vpn', perms: 'x' }] };
    const set = ruleSet(
      policy('p', { process: { matchDirectories: [{ dir: '/opt/vpn/', recursive: true }] } }),
    );
    expect(findLockouts(set, { ...GENERIC_DEBIAN, facts })).toHaveLength(1);
    const resolve = (path: string): readonly string[] =>
      path === '/usr/bin/python3' ? [path, '/usr/bin/python3.13'] : [path];
    const python = ruleSet(
      policy('p', { process: { matchPaths: [{ path: '/usr/bin/python3.13' }] } }),
    );
    expect(findLockouts(python, { resolve })).toHaveLength(1);
  });

  it('takes what a list names for listed by whatever links the control path gets there, and blocked by either name', () => {
    const paths = [{ what: 'a shell', path: '/bin/rbash', perms: 'rmx' }];
    const found = (spec: Sections, posture = 'audit') =>
      findLockouts(ruleSet(policy('p', spec, { 'hostward.io/posture': posture })), {
        ...GENERIC_DEBIAN,
        facts: { paths },
      });
    const list = (dir: string): Sections => ({
      process: { matchDirectories: [{ dir, recursive: true }], action: 'Allow' },
    });
    expect(found(list('/usr/'), 'block')).toEqual([]);
    expect(found(list('/usr/sbin/'), 'block')).toHaveLength(1);
    for (const path of ['/bin/rbash', '/usr/bin/rbash'])
      expect(found({ process: { matchPaths: [{ path }] } })).toHaveLength(1);
  });

  it('refuses a rule by which the control plane could not be found any more', () => {
    const host = debian({
      ...{ bpf: true, queries: true },
      controlPath: { names: ['Hostward.corp.example'] },
    });
    const reasonOf = (more: object, annotations: Record<string, string> = {}) =>
      compileRuleSet(ruleSet(policy('p', { action: 'Block', ...more }, annotations)), host).report
        .policies[0]?.rules[0];
    const domain = (name: string, path?: string) => ({
      network: {
        matchDNSQueries: [{ domain: name, ...(path && { fromSource: [{ path }] }) }],
      },
    });
    for (const rule of [
      domain('corp.example'),
      domain('hostward.corp.example', '/usr/lib/systemd/systemd-resolved'),
      domain('hostward.corp.example', '/usr/lib/hostward/node'),
    ])
      expect(reasonOf(rule)).toMatchObject({
        plan: 'refused',
        reason: expect.stringContaining('would block the name of the control plane (Hostward'),
      });
    for (const rule of [domain('other.example'), domain('corp.example', '/usr/bin/curl')])
      expect(reasonOf(rule)).toMatchObject({ plan: 'enforce' });
    const allowed = { action: 'Allow', ...domain('only.example') };
    expect(reasonOf(allowed, { 'hostward.io/posture': 'block' })).toMatchObject({
      plan: 'refused',
    });
    const override = { 'hostward.io/override-protection': 'true' };
    expect(reasonOf(domain('corp.example'), override)).toMatchObject({ plan: 'enforce' });
  });

  describe('is looked at again without what the table of BPF had no room for', () => {
    /** Of every path, and too large for any automaton. */
    const everything = { pattern: `/{**a${'?'.repeat(20)},**}` };
    const all = { matchPatterns: [everything], action: 'Allow' } as const;

    function onBpf(...policies: readonly HostPolicy[]) {
      const { report, table, probes } = compileRuleSet(ruleSet(...policies), debian({ bpf: true }));
      const reader = new TableReader(table?.blob ?? new Uint8Array());
      return {
        plans: report.policies.flatMap(({ rules }) => rules.map(({ plan }) => plan)),
        may: (perm: string, path: string) => !reader.path(path, perm, 'owner').deny,
        probes,
      };
    }

    it('so that an allow-list goes with its last rule', () => {
      const list = policy('p', { process: all }, { 'hostward.io/posture': 'block' });
      const { plans, may } = onBpf(list);
      expect(plans).toEqual(['unsupported']);
      expect(may('x', '/usr/sbin/sshd')).toBe(true);
    });

    it('so that a Block is refused whose Allow is gone', () => {
      const allow = policy('allow', { file: all }, { 'hostward.io/tier': 'baseline' });
      const block = policy('block', { file: { matchPaths: [{ path: '/etc/shadow' }] } });
      const found = onBpf(allow, block);
      expect(found.plans).toEqual(['unsupported', 'refused']);
      expect(found.may('r', '/etc/shadow')).toBe(true);
      expect(found.probes).toEqual([]);
    });
  });

  it('keeps a refused rule out of the profile, and the other rules in it', () => {
    const refused: HostPolicy = policy('p', {
      file: { matchPaths: [{ path: '/etc/shadow' }, { path: '/srv/x' }] },
    });
    const { report, texts } = compileRuleSet(ruleSet(refused), debian());
    expect(report.policies[0]?.rules.map(({ plan }) => plan)).toEqual(['refused', 'enforce']);
    expect(texts.enforce).not.toContain('/etc/shadow');
    expect(texts.enforce).toContain('"/srv/x"');
  });
});
