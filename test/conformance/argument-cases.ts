import { type Case, from, type Group } from './case.js';

const NO_ARGUMENTS = 'AppArmor sees no arguments: the rule is unsupported';

type Whom = Pick<Case, 'as' | 'uid' | 'terminal'>;

const allowed = (object: string, args: readonly string[], whom: Whom = {}): Case => ({
  ...{ op: 'exec', object, args, expect: 'allowed' },
  ...whom,
});
const denied = (object: string, args: readonly string[], whom: Whom = {}): Case => ({
  ...{ op: 'exec', object, args, expect: 'denied', unlike: { apparmor: NO_ARGUMENTS } },
  ...whom,
});

const block = (...matchPaths: readonly Readonly<Record<string, unknown>>[]) => ({
  spec: { action: 'Block', process: { matchPaths } },
  unsupported: ['apparmor'] as const,
});

/** More than a page, and chunks of it that end within an argument. */
const MANY = Array.from({ length: 5000 }, () => '--long=1');

/** What rules about the arguments of programs mean. */
export const ARGUMENT_GROUPS: readonly Group[] = [
  {
    name: 'arguments',
    policies: [
      block({ path: 'D/tool', allowedArgs: ['-a', '--long=1', '', 'é'] }),
      block({ path: 'D/sourced', allowedArgs: ['-a'], ...from('one') }),
      block({ execname: 'conform-args', allowedArgs: ['x'] }),
      block({ path: 'D/script', allowedArgs: ['x'] }),
      block({ path: 'D/moved', allowedArgs: ['a'] }, { path: 'D/deep/one', allowedArgs: ['a'] }),
      block({ path: 'D/both', allowedArgs: ['a', 'b'] }),
      block({ path: 'D/both', allowedArgs: ['b', 'c'] }),
      block({ path: 'D/owned', allowedArgs: ['a'], ownerOnly: true }),
      block({ path: 'D/terminal', allowedArgs: ['a'], pts: false }),
      block(
        { path: 'D/interpreter', allowedArgs: ['-e', '/srv/conform/arguments/by', 'a'] },
        { path: 'D/by', allowedArgs: ['a', 'b'] },
      ),
      { spec: { action: 'Block', process: { matchDirectories: [{ dir: 'D/all/' }] } } },
      block({ path: 'D/all/one', allowedArgs: ['a'] }),
      { spec: { action: 'Allow', process: { matchPaths: [{ path: 'D/all/two' }] } } },
      block({ path: 'D/all/two', allowedArgs: ['a'] }),
      {
        spec: {
          action: 'Audit',
          process: { matchPaths: [{ path: 'D/seen', allowedArgs: ['a'] }] },
        },
        unsupported: ['apparmor'],
      },
      {
        spec: {
          action: 'Allow',
          process: { matchPaths: [{ path: 'D/tool', allowedArgs: ['z'] }] },
        },
        unsupported: ['apparmor', 'bpf'],
      },
    ],
    files: [
      ...['tool!', 'sourced!', 'conform-args!', 'script#', 'both!', 'owned!', 'terminal!', 'by~'],
      ...['all/', 'all/one!', 'all/two!', 'all/three!', 'seen!', 'moved!', 'deep/', 'deep/one!'],
    ],
    cases: [
      ...[[], ['-a'], ['-a', '--long=1', '-a'], [''], ['é', ''], MANY].map((args) =>
        allowed('tool', args),
      ),
      ...[['-b'], ['-a', '-b'], ['-b', '-a'], ['-'], ['-aa'], ['-a', '-a '], ['', 'è']].map(
        (args) => denied('tool', args),
      ),
      denied('tool', [...MANY, '-b']),
      denied('tool', ['-b', ...MANY]),
      denied('tool', ['x'.repeat(100_000)]),
      denied('tool', ['-b'], { uid: 65534 }),
      allowed('tool', ['-a'], { uid: 65534 }),
      denied('sourced', ['-b'], { as: 'one' }),
      allowed('sourced', ['-a'], { as: 'one' }),
      allowed('sourced', ['-b']),
      allowed('conform-args', ['x', 'x']),
      denied('conform-args', ['x', 'y']),
      allowed('script', ['x']),
      denied('script', ['y']),
      denied('script', ['x', 'y']),
      ...(['a', 'c'] as const).map((one) => denied('both', [one])),
      allowed('both', ['b', 'b']),
      allowed('owned', ['b']),
      denied('owned', ['b'], { uid: 65534 }),
      allowed('owned', ['a'], { uid: 65534 }),
      allowed('terminal', ['b']),
      denied('terminal', ['b'], { terminal: true }),
      allowed('terminal', ['a'], { terminal: true }),
      allowed('by', ['a']),
      denied('by', ['b']),
      denied('by', ['c']),
      denied('interpreter', ['-c', 'true']),
      { op: 'exec', object: 'all/one', args: ['a'], expect: 'denied' },
      { op: 'exec', object: 'all/three', args: ['a'], expect: 'denied' },
      allowed('all/two', ['a']),
      denied('all/two', ['b']),
      allowed('seen', ['b']),
      ...(['link', 'rename'] as const).map((op): Case => ({
        ...{ op, object: 'moved', to: `moved-by-${op}`, expect: 'denied' },
        unlike: { apparmor: NO_ARGUMENTS },
      })),
      {
        ...{ op: 'rename', object: 'deep', to: 'shallow', expect: 'denied' },
        unlike: { apparmor: NO_ARGUMENTS },
      },
      { op: 'map', object: 'tool', expect: 'denied', unlike: { apparmor: NO_ARGUMENTS } },
      { op: 'read', object: 'tool', expect: 'allowed' },
    ],
  },
];
