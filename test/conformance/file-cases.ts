import {
  type Case,
  type Enforcer,
  from,
  type Group,
  type Operation,
  type Verdict,
} from './case.js';

const CHANGES: readonly Operation[] = [
  ...(['write', 'append', 'truncate', 'chmod', 'chown', 'setxattr'] as const),
];
const LAST: readonly Operation[] = ['unlink'];

const NO_XATTR: Readonly<Partial<Record<Enforcer, string>>> = {
  apparmor: 'AppArmor up to kernel 6.12 does not judge extended attributes',
};

const NO_FLAGS: typeof NO_XATTR = {
  apparmor: 'AppArmor does not judge flags of a file, which need no descriptor to write',
};

/** Every change of one file, and what reads it. */
function wholeFile(object: string, read: Verdict, write: Verdict): readonly Case[] {
  return [
    { op: 'read', object, expect: read },
    { op: 'map', object, expect: read },
    { op: 'lock', object, expect: write }, // an exclusive one
    ...CHANGES.map((op): Case => ({
      op,
      object,
      expect: write,
      ...(op === 'setxattr' && write === 'denied' ? { unlike: NO_XATTR } : {}),
    })),
    {
      op: 'setflags',
      object,
      expect: write,
      ...(read === 'allowed' && write === 'denied' ? { unlike: NO_FLAGS } : {}),
    },
    { op: 'link', object, to: `${object}.linked`, expect: write },
    { op: 'rename', object, to: `${object}.moved`, expect: write },
    ...(write === 'denied' ? LAST.map((op): Case => ({ op, object, expect: write })) : []),
  ];
}

/** What can be done in a directory that is blocked or not, with every kind of new name. */
function wholeDirectory(dir: string, expect: Verdict): readonly Case[] {
  const made: readonly Operation[] = ['create', 'mkdir', 'mknod', 'symlink'];
  return made.map((op): Case => ({ op, object: `${dir}/new-${op}`, expect }));
}

/** What rules about files mean. */
export const FILE_GROUPS: readonly Group[] = [
  {
    name: 'exact',
    policies: [{ spec: { action: 'Block', file: { matchPaths: [{ path: 'D/a' }] } } }],
    files: ['a', 'b', 'ab', 'a.d/', 'a.d/x', 'sub/', 'sub/a', 'free'],
    cases: [
      ...wholeFile('a', 'denied', 'denied'),
      ...wholeFile('b', 'allowed', 'allowed'),
      ...['ab', 'a.d/x', 'sub/a'].flatMap((object): readonly Case[] => [
        { op: 'read', object, expect: 'allowed' },
        { op: 'write', object, expect: 'allowed' },
      ]),
      { op: 'rename', object: 'free', to: 'a', expect: 'denied' },
      { op: 'read', object: 'sub/../a', expect: 'denied' },
      { op: 'read', object: './/a', expect: 'denied' },
    ],
  },
  {
    name: 'directory',
    policies: [
      { spec: { action: 'Block', file: { matchDirectories: [{ dir: 'D/t/', recursive: true }] } } },
    ],
    files: ['t/', 't/a', 't/deep/', 't/deep/er/', 't/deep/er/a', 'tx/', 'tx/a', 'other', 't.txt'],
    cases: [
      ...wholeFile('t/a', 'denied', 'denied'),
      ...wholeDirectory('t', 'denied'),
      ...wholeDirectory('t/deep', 'denied'),
      ...wholeDirectory('tx', 'allowed'),
      ...['t/deep/er/a', 't'].map((object): Case => ({
        op: object === 't' ? 'list' : 'read',
        object,
        expect: 'denied',
      })),
      { op: 'list', object: 't/deep', expect: 'denied' },
      { op: 'list', object: 'tx', expect: 'allowed' },
      { op: 'read', object: 'tx/a', expect: 'allowed' },
      { op: 'read', object: 't.txt', expect: 'allowed' },
      { op: 'rename', object: 'other', to: 't/other', expect: 'denied' },
      { op: 'link', object: 'other', to: 't/other2', expect: 'denied' },
      { op: 'rename', object: 't', to: 'moved', expect: 'denied' },
      { op: 'rmdir', object: 't/deep/er', expect: 'denied' },
    ],
  },
  {
    name: 'shallow',
    policies: [{ spec: { action: 'Block', file: { matchDirectories: [{ dir: 'D/t/' }] } } }],
    files: ['t/', 't/a', 't/deep/', 't/deep/a'],
    cases: [
      { op: 'read', object: 't/a', expect: 'denied' },
      { op: 'write', object: 't/a', expect: 'denied' },
      { op: 'create', object: 't/new', expect: 'denied' },
      { op: 'read', object: 't/deep/a', expect: 'allowed' },
      { op: 'write', object: 't/deep/a', expect: 'allowed' },
      { op: 'create', object: 't/deep/new', expect: 'allowed' },
      { op: 'list', object: 't', expect: 'denied' },
      { op: 'list', object: 't/deep', expect: 'allowed' },
    ],
  },
  {
    name: 'pattern',
    policies: [
      { spec: { action: 'Block', file: { matchPatterns: [{ pattern: 'D/*.key' }] } } },
      { spec: { action: 'Block', file: { matchPatterns: [{ pattern: 'D/**/secret' }] } } },
      { spec: { action: 'Block', file: { matchPatterns: [{ pattern: 'D/[xy]{1,2}?' }] } } },
    ],
    files: [
      ...['a.key', '.key', 'akey', 'a.keys', 'd/', 'd/a.key', 'd/secret', 'd/e/', 'd/e/secret'],
      ...['secret', 'd/secrets', 'x1a', 'y2z', 'x3a', 'z1a', 'x1'],
    ],
    cases: [
      ...['a.key', '.key', 'd/secret', 'd/e/secret', 'x1a', 'y2z'].flatMap(
        (object): readonly Case[] => wholeFile(object, 'denied', 'denied').slice(0, 5),
      ),
      ...['akey', 'a.keys', 'd/a.key', 'secret', 'd/secrets', 'x3a', 'z1a', 'x1'].flatMap(
        (object): readonly Case[] => [
          { op: 'read', object, expect: 'allowed' },
          { op: 'write', object, expect: 'allowed' },
        ],
      ),
      { op: 'create', object: 'new.key', expect: 'denied' },
      { op: 'rename', object: 'akey', to: 'b.key', expect: 'denied' },
      { op: 'link', object: 'a.keys', to: 'c.key', expect: 'denied' },
    ],
  },
  {
    name: 'read-only',
    policies: [
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/a', readOnly: true }] } } },
      {
        spec: {
          action: 'Block',
          file: { matchDirectories: [{ dir: 'D/t/', recursive: true, readOnly: true }] },
        },
      },
      {
        spec: { action: 'Block', file: { matchPatterns: [{ pattern: 'D/*.ro', readOnly: true }] } },
      },
    ],
    files: ['a', 't/', 't/a', 't/d/', 't/d/a', 'x.ro', 'free'],
    cases: [
      ...['a', 't/a', 't/d/a', 'x.ro'].flatMap((object) => wholeFile(object, 'allowed', 'denied')),
      ...wholeDirectory('t', 'denied'),
      { op: 'list', object: 't', expect: 'allowed' },
      { op: 'rename', object: 'free', to: 't/free', expect: 'denied' },
    ],
  },
  {
    name: 'allow-inside-block',
    policies: [
      {
        spec: {
          file: {
            matchDirectories: [
              { dir: 'D/t/', recursive: true, action: 'Block' },
              { dir: 'D/t/ok/', recursive: true, action: 'Allow' },
              { dir: 'D/t/ok/not/', recursive: true, action: 'Block' },
            ],
            matchPaths: [
              { path: 'D/t/one', action: 'Allow' },
              { path: 'D/t/ok/none', action: 'Block' },
            ],
          },
        },
      },
    ],
    files: ['t/', 't/a', 't/one', 't/ok/', 't/ok/a', 't/ok/none', 't/ok/not/', 't/ok/not/a', 'b'],
    cases: [
      ...['t/a', 't/ok/none', 't/ok/not/a'].flatMap((object) =>
        wholeFile(object, 'denied', 'denied').slice(0, 5),
      ),
      ...['t/one', 't/ok/a', 'b'].flatMap((object): readonly Case[] => [
        { op: 'read', object, expect: 'allowed' },
        { op: 'write', object, expect: 'allowed' },
      ]),
      { op: 'create', object: 't/ok/new', expect: 'allowed' },
      { op: 'create', object: 't/new', expect: 'denied' },
      { op: 'create', object: 't/ok/not/new', expect: 'denied' },
    ],
  },
  {
    name: 'precedence',
    policies: [
      { spec: { action: 'Allow', file: { matchPaths: [{ path: 'D/a' }] } } },
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/a' }] } } },
      { spec: { action: 'Block', file: { matchPatterns: [{ pattern: 'D/b*' }] } } },
      { spec: { action: 'Allow', file: { matchPaths: [{ path: 'D/b1' }] } } },
      {
        spec: {
          action: 'Block',
          file: { matchDirectories: [{ dir: 'D/base/', recursive: true }] },
        },
        annotations: { 'hostward.io/tier': 'baseline' },
      },
      { spec: { action: 'Allow', file: { matchPaths: [{ path: 'D/base/a' }] } } },
    ],
    files: ['a', 'b1', 'b2', 'base/', 'base/a', 'c'],
    cases: [
      { op: 'read', object: 'a', expect: 'denied' },
      { op: 'read', object: 'b1', expect: 'allowed' },
      { op: 'read', object: 'b2', expect: 'denied' },
      { op: 'read', object: 'base/a', expect: 'denied' },
      { op: 'read', object: 'c', expect: 'allowed' },
    ],
  },
  {
    name: 'sources',
    policies: [
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/a', ...from('one') }] } } },
      {
        spec: {
          action: 'Block',
          file: { matchDirectories: [{ dir: 'D/t/', recursive: true, ...from('one', 'two') }] },
        },
      },
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/general' }] } } },
      {
        spec: { action: 'Allow', file: { matchPaths: [{ path: 'D/general', ...from('three') }] } },
      },
      {
        spec: {
          action: 'Block',
          file: { matchPaths: [{ path: 'D/ro', readOnly: true, ...from('two') }] },
        },
      },
    ],
    files: ['a', 't/', 't/a', 'general', 'ro', 'free'],
    cases: [
      ...(['read', 'write', 'append', 'chmod', 'map'] as const).flatMap((op): readonly Case[] => [
        { op, object: 'a', as: 'one', expect: 'denied' },
        { op, object: 'a', as: 'two', expect: 'allowed' },
        { op, object: 'a', expect: 'allowed' },
        { op, object: 't/a', as: 'one', expect: 'denied' },
        { op, object: 't/a', as: 'two', expect: 'denied' },
        { op, object: 't/a', as: 'three', expect: 'allowed' },
        { op, object: 'general', as: 'one', expect: 'denied' },
        { op, object: 'general', as: 'three', expect: 'allowed' },
        { op, object: 'general', expect: 'denied' },
        { op, object: 'free', as: 'one', expect: 'allowed' },
      ]),
      { op: 'read', object: 'ro', as: 'two', expect: 'allowed' },
      { op: 'write', object: 'ro', as: 'two', expect: 'denied' },
      { op: 'write', object: 'ro', as: 'one', expect: 'allowed' },
    ],
  },
  {
    name: 'owner',
    policies: [
      { spec: { action: 'Block', file: { matchPaths: [{ path: 'D/a', ownerOnly: true }] } } },
      {
        spec: {
          action: 'Block',
          file: { matchPaths: [{ path: 'D/ro', ownerOnly: true, readOnly: true }] },
        },
      },
    ],
    files: ['a', 'ro', 'b'],
    cases: [
      { op: 'read', object: 'a', expect: 'allowed' },
      { op: 'write', object: 'a', expect: 'allowed' },
      { op: 'read', object: 'a', uid: 65534, expect: 'denied' },
      { op: 'write', object: 'a', uid: 65534, expect: 'denied' },
      { op: 'read', object: 'ro', expect: 'allowed' },
      { op: 'write', object: 'ro', expect: 'denied' },
      { op: 'read', object: 'ro', uid: 65534, expect: 'denied' },
      { op: 'read', object: 'b', uid: 65534, expect: 'allowed' },
    ],
  },
  {
    name: 'list',
    policies: [
      {
        spec: {
          action: 'Allow',
          file: {
            matchPaths: [{ path: 'D/listed', ...from('listed') }],
            matchDirectories: [
              ...['/usr/', '/lib/', '/etc/', '/proc/', '/dev/'].map((dir) => ({
                ...{ dir, recursive: true },
                ...from('listed'),
              })),
              { dir: '/srv/conform/tools/', recursive: true, ...from('listed') },
            ],
          },
        },
        annotations: { 'hostward.io/posture': 'block' },
      },
    ],
    files: ['listed', 'unlisted'],
    cases: [
      { op: 'read', object: 'listed', as: 'listed', expect: 'allowed' },
      { op: 'write', object: 'listed', as: 'listed', expect: 'allowed' },
      { op: 'read', object: 'unlisted', as: 'listed', expect: 'denied' },
      { op: 'write', object: 'unlisted', as: 'listed', expect: 'denied' },
      { op: 'read', object: 'unlisted', as: 'two', expect: 'allowed' },
      { op: 'read', object: 'unlisted', expect: 'allowed' },
      // No list can name what has no path.
      ...['pipe', 'memfd', 'sysv'].map((object): Case => ({
        ...{ op: 'unnamed', object, as: 'listed', expect: 'allowed' },
      })),
    ],
  },
  {
    name: 'list-alone',
    policies: [
      {
        spec: {
          action: 'Allow',
          file: {
            matchPaths: [
              { path: 'D/listed', ...from('alone') },
              { path: '/srv/conform/tools/act.py', ...from('alone') },
            ],
          },
        },
        annotations: { 'hostward.io/posture': 'block' },
      },
    ],
    files: ['listed', 'unlisted'],
    cases: [
      { op: 'read', object: 'listed', as: 'alone', expect: 'allowed' },
      { op: 'write', object: 'listed', as: 'alone', expect: 'allowed' },
      { op: 'write', object: '/dev/null', as: 'alone', expect: 'allowed' },
      { op: 'read', object: 'unlisted', as: 'alone', expect: 'denied' },
      { op: 'write', object: 'unlisted', as: 'alone', expect: 'denied' },
      { op: 'read', object: '/etc/passwd', as: 'alone', expect: 'denied' },
      { op: 'read', object: 'unlisted', expect: 'allowed' },
    ],
  },
];
