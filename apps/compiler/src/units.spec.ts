import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
    const resolve = pathResolver(root);
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
});
