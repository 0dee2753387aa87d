import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existingPath } from './existing-path.js';
import { pathResolver } from './resolve-paths.js';
import { dropInsFor, type ProfilesOf, readUnits } from './units.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-units-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, content = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content, { mode: 0o755 });
}

/** The label that each unit's drop-in gives it. */
function labels(profiles: Partial<ProfilesOf> = {}): readonly (readonly [string, string])[] {
  const ours = (): string => 'hostward';
  const attached = (): undefined => undefined;
  const forbidden = (): boolean => false;
  return dropInsFor(readUnits(root), { ours, attached, forbidden, ...profiles }).map(
    ({ unit, content }) => [
      unit,
      /^# .*\n\[Service\]\nAppArmorProfile=(.*)\n$/.exec(content)?.[1] ?? content,
    ],
  );
}

function service(name: string, ...lines: readonly string[]): void {
  file(`usr/lib/systemd/system/${name}.service`, ['[Service]', ...lines, ''].join('\n'));
}

describe('units of a host', () => {
  it('say which file or folder of theirs is closed to who reads them', () => {
    const notes = ['open', 'closed', 'added'].map((name) => {
      service(name, 'ExecStart=/usr/bin/x');
      return `/usr/lib/systemd/system/${name}.service`;
    });
    file('etc/systemd/system/added.service.d/override.conf', '[Service]\nExecStart=/usr/bin/y\n');
    chmodSync(root, 0o755);
    chmodSync(join(root, notes[1] ?? ''), 0o600);
    chmodSync(join(root, 'etc/systemd/system/added.service.d'), 0o700);
    if (process.getuid?.() !== 0) return;
    process.seteuid?.(65_534);
    try {
      expect(readUnits(root).map(({ unit, hidden }) => [unit, hidden])).toEqual([
        ['added.service', '/etc/systemd/system/added.service.d'],
        ['closed.service', notes[1]],
        ['open.service', undefined],
      ]);
    } finally {
      process.seteuid?.(0);
    }
  });

  it('with AppArmorProfile= get a drop-in that stacks it, the last assignment counting', () => {
    service('a', 'AppArmorProfile=old');
    file('etc/systemd/system/a.service.d/10-x.conf', '[Service]\nAppArmorProfile=-new\n');
    file(
      'etc/systemd/system/a.service.d/50-hostward.conf',
      '[Service]\nAppArmorProfile=hostward//&new\n',
    );
    expect(labels()).toEqual([['a.service', '-hostward//&new']]);
  });

  it.each(['unconfined', '', 'a b', 'x\u00e9', 'hostward//&y', 'hostward-sensor', '%i'])(
    'get none for the profile %j',
    (profile) => {
      service('b', `AppArmorProfile=${profile}`);
      expect(labels()).toEqual([]);
    },
  );

  it('of the agent get one that stacks its profile on that of everybody, or on that of its program as a source', () => {
    service('hostward-agent', 'ExecStart=/usr/bin/x-scoped', 'AppArmorProfile=-hostward-agent');
    expect(labels()).toEqual([['hostward-agent.service', '-hostward//&hostward-agent']]);
    expect(labels(profiles)).toEqual([
      ['hostward-agent.service', '-hostward-src-1//&hostward-agent'],
    ]);
  });

  const profiles: Partial<ProfilesOf> = {
    attached: (program) => (program.startsWith('/usr/bin/x') ? 'x' : undefined),
    ours: (program) => (program === '/usr/bin/x-scoped' ? 'hostward-src-1' : 'hostward'),
  };

  it('whose program a profile of others attaches to get one that stacks ours', () => {
    file('usr/bin/x-real');
    mkdirSync(join(root, 'usr/sbin'));
    symlinkSync('../bin/x-real', join(root, 'usr/sbin/link'));
    service('link', 'ExecStartPre=+/usr/bin/mkdir /run/x', 'ExecStart=-/usr/sbin/link \\', '  -d');
    service('scoped', 'ExecStart=/usr/bin/x-scoped');
    service('plain', 'ExecStart=/usr/bin/plain');
    service('named', 'ExecStart=/usr/bin/x-scoped', 'AppArmorProfile=y');
    expect(labels(profiles)).toEqual([
      ['link.service', '-hostward//&x'],
      ['named.service', 'hostward-src-1//&y'],
      ['scoped.service', '-hostward-src-1//&x'],
    ]);
  });

  it('get none where one label would not be right for all programs, or takes away what the program needs', () => {
    service('two', 'ExecStart=/usr/bin/x', 'ExecStartPre=/usr/bin/mkdir /run/x');
    service('sensor', 'ExecStart=/usr/lib/hostward/hostward-sensor run');
    service('docker', 'ExecStart=/usr/bin/dockerd');
    service('libvirtd', 'ExecStart=/usr/sbin/libvirtd');
    expect(
      labels({ attached: (program) => (program === '/usr/bin/mkdir' ? undefined : 'x') }),
    ).toEqual([]);
  });

  it('whose program a rule forbids do not start, whatever profile they name', () => {
    service('bad', 'ExecStart=/usr/bin/xmrig', 'AppArmorProfile=y');
    service('good', 'ExecStart=/usr/bin/good', 'ExecStartPre=-/usr/bin/xmrig');
    expect(labels({ forbidden: (program) => program === '/usr/bin/xmrig' })).toEqual([
      ['bad.service', 'hostward-blocked'],
    ]);
  });

  it.each([
    ['a bare name', ['ExecStart=xmrig --pool']],
    ['quotes', ['ExecStart="/usr/bin/xmrig" --pool']],
    ['quotes in the middle', ["ExecStart=/usr/bin/'xm'rig"]],
    ['escapes', ['ExecStart=/usr/bin/\\x78m\\162ig']],
    ['quotes around its prefix', ['ExecStart="-/usr/bin/xmrig" x']],
    ['each prefix', ['ExecStart=@-:!!/usr/bin/xmrig other-name']],
    ['a prefix and a bare name', ['ExecStart=-xmrig']],
    ['a second command', ['Type=oneshot', 'ExecStart=/usr/bin/good', 'ExecStart=xmrig']],
    ['a second command of a line', ['Type=oneshot', 'ExecStart=/usr/bin/good "a ; b" ; xmrig x']],
    ['a command after an empty one', ['ExecStart=; xmrig']],
    ['a line that goes on', ['ExecStart=\\', '# good \\', '  /usr/bin/xmrig']],
    ['a line after a comment that seems to go on', ['# old \\', 'ExecStart=/usr/bin/xmrig']],
    ['spaces around what it says', [' ExecStart = /usr/bin/xmrig']],
    ['slashes too many', ['ExecStart=/usr//bin/./xmrig']],
    ['a path of its own', ['ExecSearchPath=/opt:/usr/bin', 'ExecStart=xmrig']],
    ['a specifier', ['ExecStart=/usr/bin/%p']],
    ['what must succeed before', ['ExecStart=/usr/bin/good', 'ExecStartPre=xmrig']],
    ['what is asked before', ['ExecStart=/usr/bin/good', 'ExecCondition=xmrig']],
    ['what must succeed after', ['ExecStart=/usr/bin/good', 'ExecStartPost=xmrig']],
  ])(
    'that start a forbidden program do not start, whichever way they name it: %s',
    (_how, lines) => {
      file('usr/bin/xmrig');
      service('xmrig', ...lines);
      expect(labels({ forbidden: (program) => program === '/usr/bin/xmrig' })).toEqual([
        ['xmrig.service', 'hostward-blocked'],
      ]);
    },
  );

  // systemd leaves AppArmorProfile= out for that command (exec-invoke.c): docs/reference/enforcement-limits.md says that it runs.
  it.each([
    ['it alone', ['ExecStart=+/usr/bin/xmrig']],
    ['it behind another', ['ExecStartPre=/usr/bin/good', 'ExecStart=@+/usr/bin/xmrig x']],
    ['it before another', ['ExecStartPre=!+/usr/bin/xmrig', 'ExecStart=/usr/bin/good']],
  ])(
    'that start one with full privileges get what keeps their other commands from starting: %s',
    (_how, lines) => {
      service('xmrig', ...lines);
      expect(labels({ forbidden: (program) => program === '/usr/bin/xmrig' })).toEqual([
        ['xmrig.service', 'hostward-blocked'],
      ]);
    },
  );

  it('get none for a program with full privileges to which a profile of others attaches, and which it would not bind', () => {
    service('x', 'ExecStart=+/usr/bin/x-scoped');
    expect(labels(profiles)).toEqual([]);
  });

  it.each([
    ['may fail', ['ExecStartPre=-xmrig', 'ExecStartPost=-/usr/bin/xmrig']],
    ['reloads', ['ExecReload=xmrig']],
    ['stops', ['ExecStop=xmrig', 'ExecStopPost=/usr/bin/xmrig']],
    ['is taken back', ['ExecStart=', 'ExecStart=/usr/bin/good']],
    [
      'is an argument',
      ['ExecStartPre=/usr/bin/good \\; xmrig', 'ExecStartPre=/usr/bin/good "a ;" xmrig'],
    ],
    ['systemd does not read', ['ExecStartPre="/usr/bin/xmrig', 'ExecStartPre=bin/xmrig']],
    ['has a name that is no variable', ['Environment=X=xmrig', 'ExecStartPre=/usr/bin/${X}']],
    ['only systemd can tell', ['ExecStartPre=/usr/bin/%I']],
    ['is of another section', ['[Unit]', 'ExecStartPre=/usr/bin/xmrig']],
  ])('start where the forbidden program is none that they need: it %s', (_how, lines) => {
    file('usr/bin/xmrig');
    const first = lines[0] === 'ExecStart=' ? 'xmrig' : '/usr/bin/good';
    service('good', `ExecStart=${first}`, ...lines);
    expect(labels({ forbidden: (program) => program === '/usr/bin/xmrig' })).toEqual([]);
  });

  it('are read with all drop-ins that systemd reads, each from its own first section, in order', () => {
    service('a-b', 'ExecStart=xmrig');
    file(
      'etc/systemd/system/a-b.service.d/20-good.conf',
      '[Service]\nExecStart=\nExecStart=good\n',
    );
    service('a-c', 'ExecStart=good');
    file('run/systemd/system/a-.service.d/10.conf', '[Service]\nExecStartPre=xmrig\n');
    file('etc/systemd/system/a-b.service.d/10.conf', '[Service]\n# hides that of a-\n');
    service('d', 'ExecStart=good');
    file('etc/systemd/system/d.service.d/10.conf', 'ExecStart=\nExecStart=xmrig\n');
    service('e@', 'ExecStart=good');
    file('etc/systemd/system/e@1.service.d/10.conf', '[Service]\nExecStart=\nExecStart=%i\n');
    file('etc/systemd/system/e@xmrig.service.d/10.conf', '[Service]\nExecStart=\nExecStart=%i\n');
    file('run/systemd/generator.late/sysv.service', '[Service]\nExecStart=xmrig start\n');
    expect(labels({ forbidden: (program) => program === '/usr/bin/xmrig' })).toEqual([
      ['a-.service', 'hostward-blocked'],
      ['a-c.service', 'hostward-blocked'],
      ['e@xmrig.service', 'hostward-blocked'],
      ['sysv.service', 'hostward-blocked'],
    ]);
  });

  it('name a program as systemd finds it: the first of its folders that has one', () => {
    file('usr/bin/xmrig');
    mkdirSync(join(root, 'usr/local/sbin/xmrig'), { recursive: true });
    mkdirSync(join(root, 'etc/alternatives'), { recursive: true });
    symlinkSync('/usr/bin/xmrig', join(root, 'etc/alternatives/miner'));
    mkdirSync(join(root, 'usr/sbin'));
    symlinkSync('/etc/alternatives/miner', join(root, 'usr/sbin/miner'));
    service('a', 'ExecStart=xmrig');
    service('b', 'ExecStart=miner');
    service('later', 'ExecStart=later');
    expect(readUnits(root).map(({ needed }) => needed)).toEqual([
      ['/usr/bin/xmrig'],
      ['/usr/bin/xmrig'],
      ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].map(
        (folder) => `${folder}/later`,
      ),
    ]);
  });

  it('get none where a command that is not in that profile is a bare name, or one that only systemd can tell', () => {
    file('usr/bin/mkdir');
    service('bare', 'ExecStart=/usr/bin/x', 'ExecStartPre=mkdir /run/x');
    service('told', 'ExecStart=/usr/bin/x', 'ExecStartPre=/usr/bin/%I');
    service('asks', 'ExecStart=/usr/bin/x', 'ExecCondition=/usr/bin/mkdir');
    expect(labels(profiles)).toEqual([]);
  });

  it('that manage users start under the catch-all, not as PID 1 does', () => {
    service('user@', 'ExecStart=/usr/lib/systemd/systemd --user');
    expect(labels(profiles)).toEqual([['user@.service', '-hostward']]);
  });

  it('get none under another name: systemd knows one drop-in of a name for a unit', () => {
    service('real', 'AppArmorProfile=x');
    mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
    symlinkSync(
      '/usr/lib/systemd/system/real.service',
      join(root, 'etc/systemd/system/alias.service'),
    );
    symlinkSync('/dev/null', join(root, 'etc/systemd/system/masked.service'));
    symlinkSync('/opt/linked.service', join(root, 'etc/systemd/system/linked.service'));
    expect(readUnits(root).map(({ unit }) => unit)).toEqual(['linked.service', 'real.service']);
  });
});

describe('paths of a host', () => {
  it('are followed through symlinks, and as far as they exist', () => {
    file('usr/bin/sleep');
    symlinkSync('usr/bin', join(root, 'bin'));
    const { resolve } = pathResolver(root);
    expect(resolve('/bin/sleep')).toEqual(['/bin/sleep', '/usr/bin/sleep']);
    expect(resolve('/bin/later/tool')).toEqual(['/bin/later/tool', '/usr/bin/later/tool']);
    expect(resolve('/usr/bin/sleep')).toEqual(['/usr/bin/sleep']);
    expect(resolve('/')).toEqual(['/']);
  });

  it('that would show a block are looked for within bounds, devices and temporary files never', () => {
    file('usr/bin/nmap');
    file('srv/a/b/c');
    file('dev/watchdog');
    const matches = (): boolean => true;
    const find = existingPath(root);
    expect(find({ kind: 'exec', object: { type: 'execname', name: 'nmap' }, matches })).toBe(
      '/usr/bin/nmap',
    );
    expect(
      find({ kind: 'read', object: { type: 'directory', dir: '/srv/', recursive: true }, matches }),
    ).toBe('/srv/a/b/c');
    expect(
      find({
        kind: 'read',
        object: { type: 'directory', dir: '/srv/', recursive: false },
        matches,
      }),
    ).toBeUndefined();
    expect(
      find({ kind: 'read', object: { type: 'path', path: '/dev/watchdog' }, matches }),
    ).toBeUndefined();
    expect(find({ kind: 'read', object: { type: 'pattern', prefix: '/srv/a/x' }, matches })).toBe(
      '/srv/a/b/c',
    );
  });

  it('that would show a block are none that a link leads away from, since the kernel judges its target', () => {
    file('etc/nginx/sites-available/shop');
    file('srv/config/mine');
    mkdirSync(join(root, 'etc/nginx/sites-enabled'), { recursive: true });
    symlinkSync('../sites-available/shop', join(root, 'etc/nginx/sites-enabled/shop'));
    symlinkSync('../../../srv/config', join(root, 'etc/nginx/sites-enabled/site.d'));
    const object = {
      type: 'directory',
      dir: '/etc/nginx/sites-enabled/',
      recursive: true,
    } as const;
    const wish = { kind: 'write', object, matches: (): boolean => true } as const;
    expect(existingPath(root)(wish)).toBeUndefined();
    file('etc/nginx/sites-enabled/status');
    expect(existingPath(root)(wish)).toBe('/etc/nginx/sites-enabled/status');
  });
});
