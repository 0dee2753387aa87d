import { type Case, from, type Group } from './case.js';

const NO_TERMINALS = 'AppArmor does not see whether a task has a terminal: the rule is unsupported';

const READ_BY_ITS_START =
  'AppArmor lets the start of a program read and map it, whatever it says of the file';

/** What rules about programs, sockets and capabilities mean. */
export const OTHER_GROUPS: readonly Group[] = [
  {
    name: 'programs',
    policies: [
      { spec: { action: 'Block', process: { matchPaths: [{ path: 'D/exact' }] } } },
      { spec: { action: 'Block', process: { matchPaths: [{ execname: 'conform-named' }] } } },
      {
        spec: {
          action: 'Block',
          process: { matchDirectories: [{ dir: 'D/bin/', recursive: true }] },
        },
      },
      { spec: { action: 'Block', process: { matchDirectories: [{ dir: 'D/flat/' }] } } },
      { spec: { action: 'Block', process: { matchPatterns: [{ pattern: 'D/p*.run' }] } } },
      {
        spec: {
          action: 'Block',
          process: { matchPaths: [{ path: 'D/some', ...from('starter') }] },
        },
      },
      {
        spec: {
          process: {
            matchDirectories: [{ dir: 'D/mixed/', recursive: true, action: 'Block' }],
            matchPaths: [{ path: 'D/mixed/ok', action: 'Allow' }],
          },
        },
      },
    ],
    files: [
      ...['exact!', 'free!', 'conform-named!', 'd/', 'd/conform-named!', 'conform-named2!', 'bin/'],
      ...['bin/a!', 'bin/deep/', 'bin/deep/a!', 'flat/', 'flat/a!', 'flat/deep/', 'flat/deep/a!'],
      ...[
        'p1.run!',
        'q1.run!',
        'some!',
        'mixed/',
        'mixed/ok!',
        'mixed/no!',
        'script#',
        'bin/script#',
      ],
    ],
    cases: [
      ...[
        ...['exact', 'conform-named', 'd/conform-named', 'bin/a', 'bin/deep/a', 'flat/a', 'p1.run'],
        ...['mixed/no'],
      ].flatMap((object): readonly Case[] => [
        { op: 'exec', object, expect: 'denied' },
        { op: 'exec', object, uid: 65534, expect: 'denied' },
        { op: 'read', object, expect: 'allowed' },
      ]),
      ...['free', 'conform-named2', 'flat/deep/a', 'q1.run', 'mixed/ok'].map((object): Case => ({
        op: 'exec',
        object,
        expect: 'allowed',
      })),
      { op: 'script', object: 'script', expect: 'allowed' },
      { op: 'script', object: 'bin/script', expect: 'denied' },
      { op: 'exec', object: 'some', as: 'starter', expect: 'denied' },
      { op: 'exec', object: 'some', expect: 'allowed' },
      { op: 'map', object: 'exact', expect: 'denied' },
      { op: 'map', object: 'free', expect: 'allowed' },
    ],
  },
  {
    name: 'program-list',
    policies: [
      {
        spec: {
          action: 'Allow',
          process: { matchPaths: [{ path: 'D/listed', ...from('launcher') }] },
        },
        annotations: { 'hostward.io/posture': 'block' },
      },
    ],
    files: ['listed!', 'unlisted!'],
    cases: [
      { op: 'exec', object: 'listed', as: 'launcher', expect: 'allowed' },
      { op: 'exec', object: 'unlisted', as: 'launcher', expect: 'denied' },
      {
        ...{ op: 'exec', object: '/srv/conform/tools/launcher', args: ['-IS', '-c', 'pass'] },
        ...{ as: 'launcher', expect: 'allowed' },
      },
      { op: 'exec', object: 'unlisted', expect: 'allowed' },
    ],
  },
  {
    name: 'mapping',
    policies: [
      { spec: { action: 'Block', process: { matchPatterns: [{ pattern: 'D/blocked/*' }] } } },
      {
        spec: {
          action: 'Allow',
          file: { matchDirectories: [{ dir: 'D/blocked/', recursive: true }] },
        },
      },
      {
        spec: {
          action: 'Block',
          file: {
            matchDirectories: ['D/data/', 'D/own/'].map((dir) => ({ dir, recursive: true })),
          },
        },
      },
      { spec: { action: 'Allow', process: { matchPaths: [{ path: 'D/data/allowed' }] } } },
      {
        spec: {
          process: {
            matchPatterns: [{ pattern: 'D/*/bad', action: 'Block' }],
            matchDirectories: [{ dir: 'D/own/', recursive: true, action: 'Allow' }],
          },
        },
      },
    ],
    files: [
      ...['blocked/', 'blocked/tool!', 'free!', 'data/', 'data/allowed!', 'own/', 'own/tool!'],
      ...['z/', 'z/bad!', 'z/good!'],
    ],
    cases: [
      // Whatever is allowed of files, what may not be started may not be mapped.
      ...(['exec', 'map'] as const).flatMap((op): readonly Case[] => [
        { op, object: 'blocked/tool', expect: 'denied' },
        { op, object: 'free', expect: 'allowed' },
        { op, object: 'z/bad', expect: 'denied' },
        { op, object: 'z/good', expect: 'allowed' },
      ]),
      { op: 'read', object: 'blocked/tool', expect: 'allowed' },
      // Whatever may be started, what is blocked as a file is not mapped, and so does not run.
      ...['data/allowed', 'own/tool'].map((object): Case => ({
        ...{ op: 'exec', object, expect: 'denied' },
        unlike: { apparmor: READ_BY_ITS_START },
      })),
      { op: 'read', object: 'own/tool', expect: 'denied' },
    ],
  },
  {
    name: 'terminal',
    policies: [
      ...[
        { process: { matchPaths: [{ path: 'D/program', pts: false }] } },
        { file: { matchPaths: [{ path: 'D/file', pts: false }] } },
        { file: { matchPaths: [{ path: 'D/sourced', pts: false, ...from('one') }] } },
      ].map((spec) => ({
        spec: { action: 'Block', ...spec },
        unsupported: ['apparmor'] as const,
      })),
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/always', pts: true }] } } },
      { spec: { action: 'Block', file: { matchDirectories: [{ dir: 'D/mixed/' }] } } },
      {
        spec: { action: 'Allow', file: { matchPaths: [{ path: 'D/mixed/ok', pts: false }] } },
        unsupported: ['apparmor'],
      },
    ],
    files: ['program!', 'file', 'sourced', 'always', 'mixed/', 'mixed/ok', 'mixed/no'],
    cases: [
      ...(
        [
          ['exec', 'program'],
          ['read', 'file'],
          ['write', 'file'],
          ['read', 'sourced', 'one'],
        ] as const
      ).flatMap(([op, object, as]): readonly Case[] => {
        const one = { op, object, ...(as === undefined ? {} : { as }) };
        return [
          { ...one, expect: 'allowed' },
          { ...one, terminal: true, expect: 'denied', unlike: { apparmor: NO_TERMINALS } },
        ];
      }),
      { op: 'read', object: 'sourced', terminal: true, expect: 'allowed' },
      { op: 'read', object: 'always', expect: 'denied' },
      { op: 'read', object: 'always', terminal: true, expect: 'denied' },
      { op: 'read', object: 'mixed/ok', expect: 'denied' },
      {
        ...{ op: 'read', object: 'mixed/ok', terminal: true, expect: 'allowed' },
        unlike: { apparmor: NO_TERMINALS },
      },
      { op: 'read', object: 'mixed/no', terminal: true, expect: 'denied' },
    ],
  },
  {
    name: 'network',
    policies: [
      {
        spec: {
          action: 'Block',
          network: { matchProtocols: [{ protocol: 'tcp', ...from('net') }] },
        },
      },
      {
        spec: {
          action: 'Block',
          network: { matchProtocols: [{ protocol: 'udp', ...from('net') }] },
        },
      },
      {
        spec: {
          action: 'Block',
          network: { matchProtocols: [{ protocol: 'raw', ...from('raw') }] },
        },
      },
      {
        spec: {
          action: 'Block',
          network: { matchProtocols: [{ protocol: 'icmp', ...from('one') }] },
        },
        unsupported: ['apparmor'],
      },
    ],
    files: [],
    cases: [
      ...['inet stream', 'inet6 stream', 'inet dgram', 'inet6 dgram'].flatMap(
        (object): readonly Case[] => [
          { op: 'socket', object, as: 'net', expect: 'denied' },
          { op: 'socket', object, as: 'two', expect: 'allowed' },
          { op: 'socket', object, expect: 'allowed' },
        ],
      ),
      ...['unix stream', 'unix dgram', 'netlink raw'].map((object): Case => ({
        op: 'socket',
        object,
        as: 'net',
        expect: 'allowed',
      })),
      { op: 'socket', object: 'inet raw', as: 'raw', expect: 'denied' },
      { op: 'socket', object: 'inet raw', as: 'net', expect: 'allowed' },
      { op: 'socket', object: 'packet raw', as: 'raw', expect: 'denied' },
      { op: 'socket', object: 'inet stream', as: 'raw', expect: 'allowed' },
      {
        ...{ op: 'socket', object: 'inet raw icmp', as: 'one', expect: 'denied' },
        unlike: {
          apparmor: 'AppArmor cannot tell ICMP sockets from others: the rule is unsupported',
        },
      },
      { op: 'socket', object: 'inet stream', as: 'one', expect: 'allowed' },
    ],
  },
  {
    name: 'capabilities',
    policies: [
      {
        spec: {
          action: 'Block',
          capabilities: { matchCapabilities: [{ capability: 'chown', ...from('caps') }] },
        },
      },
      {
        spec: {
          action: 'Block',
          capabilities: { matchCapabilities: [{ capability: 'sys_chroot', ...from('caps') }] },
        },
      },
    ],
    files: ['a'],
    cases: [
      { op: 'capability', object: 'chown', as: 'caps', expect: 'denied' },
      { op: 'capability', object: 'chown', as: 'two', expect: 'allowed' },
      { op: 'capability', object: 'chown', expect: 'allowed' },
      { op: 'capability', object: 'sys_chroot', as: 'caps', expect: 'denied' },
      { op: 'capability', object: 'sys_chroot', expect: 'allowed' },
      { op: 'capability', object: 'net_raw', as: 'caps', expect: 'allowed' },
    ],
  },
];
