import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existingPath } from './existing-path.js';
import { pathResolver } from './resolve-paths.js';
import { readUnits } from './units.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-units-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, content = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content, { mode: 0o755 });
}

describe('units of a host', () => {
  it('with AppArmorProfile= get a drop-in that stacks it, the last assignment counting', () => {
    file('usr/lib/systemd/system/a.service', '[Service]\nAppArmorProfile=old\n');
    file('etc/systemd/system/a.service.d/10-x.conf', '[Service]\nAppArmorProfile=new\n');
    file(
      'etc/systemd/system/a.service.d/50-hostward.conf',
      '[Service]\nAppArmorProfile=hostward//&new\n',
    );
    const [dropIn, ...rest] = readUnits(root, false).dropIns;
    expect(rest).toEqual([]);
    expect(dropIn?.unit).toBe('a.service');
    expect(dropIn?.content).toContain('\nAppArmorProfile=hostward//&new\n');
  });

  it.each(['unconfined', '', 'a b', 'x\u00e9', 'hostward//&y', '%i'])(
    'get none for the profile %j',
    (profile) => {
      file('usr/lib/systemd/system/b.service', `[Service]\nAppArmorProfile=${profile}\n`);
      expect(readUnits(root, false).dropIns).toEqual([]);
    },
  );

  it('keep the profile of the executor in their label where PID 1 uses it', () => {
    file('usr/lib/systemd/system/a.service', '[Service]\nAppArmorProfile=x\n');
    file('usr/lib/systemd/system/b.service', '[Service]\nAppArmorProfile=unconfined\n');
    file(
      'usr/lib/systemd/system/c.service',
      '[Service]\nAppArmorProfile=unconfined\nNoNewPrivileges=yes\n',
    );
    const lines = readUnits(root, true).dropIns.map(({ unit, content }) => [
      unit,
      content.split('\n').at(-2),
    ]);
    expect(lines).toEqual([
      ['a.service', 'AppArmorProfile=hostward//&hostward-src-systemd//&x'],
      ['c.service', 'AppArmorProfile=hostward//&hostward-src-systemd'],
    ]);
  });

  it('tell which programs run under NoNewPrivileges, said or implied, symlinks followed', () => {
    file('usr/bin/real');
    symlinkSync('real', join(root, 'usr/bin/link'));
    file(
      'usr/lib/systemd/system/said.service',
      '[Service]\nNoNewPrivileges=yes\nExecStart=-/usr/bin/link --x\nExecStartPre=+/usr/bin/full\n',
    );
    file(
      'usr/lib/systemd/system/implied.service',
      '[Service]\nUser=web\nRestrictNamespaces=yes\nExecStart=/usr/bin/web \\\n  -d\n',
    );
    file(
      'usr/lib/systemd/system/root.service',
      '[Service]\nRestrictNamespaces=yes\nExecStart=/usr/bin/rooted\n',
    );
    file(
      'usr/lib/systemd/system/undone.service',
      '[Service]\nNoNewPrivileges=yes\nExecStart=/usr/bin/undone\n',
    );
    file('etc/systemd/system/undone.service.d/x.conf', '[Service]\nNoNewPrivileges=no\n');
    expect(readUnits(root, false).noNewPrivileges).toEqual(['/usr/bin/real', '/usr/bin/web']);
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
