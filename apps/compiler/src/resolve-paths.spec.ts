import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pathResolver } from './resolve-paths.js';

let root: string;
const resolve = (path: string): readonly string[] => pathResolver(root).resolve(path);
const unfollowed = (path: string): string | undefined => pathResolver(root).unfollowed(path);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-paths-'));
  chmodSync(root, 0o755);
  for (const dir of ['usr/bin', 'usr/sbin', 'etc/alternatives', 'srv/app', 'proc/7'])
    mkdirSync(join(root, dir), { recursive: true, mode: 0o755 });
  writeFileSync(join(root, 'usr/bin/sleep'), '');
  symlinkSync('usr/bin', join(root, 'bin'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('spellings of a path', () => {
  it('are the one written and the one that links of root lead to', () => {
    symlinkSync('/etc/alternatives/awk', join(root, 'usr/bin/awk'));
    symlinkSync('../../bin/mawk', join(root, 'etc/alternatives/awk'));
    expect(resolve('/usr/bin/sleep')).toEqual(['/usr/bin/sleep']);
    expect(resolve('/bin/sleep')).toEqual(['/bin/sleep', '/usr/bin/sleep']);
    expect(resolve('/bin/awk')).toEqual(['/bin/awk', '/usr/bin/mawk']);
    expect(resolve('/bin/not-there-yet')).toEqual(['/bin/not-there-yet', '/usr/bin/not-there-yet']);
  });

  it('do not follow a link in a directory that others can write to', () => {
    symlinkSync('/usr/bin/sleep', join(root, 'srv/app/tool'));
    expect(resolve('/srv/app/tool')).toEqual(['/srv/app/tool', '/usr/bin/sleep']);
    chmodSync(join(root, 'srv/app'), 0o1777);
    expect(resolve('/srv/app/tool')).toEqual(['/srv/app/tool']);
  });

  it('do not follow a link below a directory that others can write to', () => {
    mkdirSync(join(root, 'srv/app/lib'));
    symlinkSync('/usr/sbin', join(root, 'srv/app/lib/plugins'));
    chmodSync(join(root, 'srv/app'), 0o775);
    expect(resolve('/srv/app/lib/plugins/x')).toEqual(['/srv/app/lib/plugins/x']);
  });

  it('tell the first name that is hidden from who looks', () => {
    const hidden = (path: string): string | undefined => pathResolver(root).unseen(path);
    expect(hidden('/dev/mapper/vg0-data')).toBe('/dev/mapper');
    expect(hidden('/tmp/app/')).toBe('/tmp/app');
    for (const path of ['/tmp/', '/usr/bin/sleep', '/srv/app/not-there-yet/x', '/proc/7/exe'])
      expect(hidden(path)).toBeUndefined();
    if (process.getuid?.() !== 0) return;
    mkdirSync(join(root, 'root/aws'), { recursive: true });
    chmodSync(join(root, 'root'), 0);
    process.seteuid?.(65_534);
    try {
      expect(hidden('/root/aws/keys/')).toBe('/root/aws');
    } finally {
      process.seteuid?.(0);
    }
  });

  it('tell the first link that they do not follow, whether there is what is named or not', () => {
    for (const dir of ['srv/app/7/bin', 'srv/app/8'])
      mkdirSync(join(root, dir), { recursive: true });
    chmodSync(join(root, 'srv/app'), 0o775);
    symlinkSync('7', join(root, 'srv/app/current'));
    symlinkSync('current/bin', join(root, 'srv/app/bin'));
    symlinkSync('/srv/app/current', join(root, 'etc/alternatives/app'));
    const told = ['current', 'current/bin/x', 'current/', 'bin/x', '7/bin/x'].map((path) =>
      unfollowed(`/srv/app/${path}`),
    );
    const current = '/srv/app/current';
    expect(told).toEqual([current, current, current, '/srv/app/bin', undefined]);
    expect(unfollowed('/etc/alternatives/app/bin/x')).toBe(current);
    expect(unfollowed('/usr/bin/sleep')).toBeUndefined();
    expect(unfollowed('/bin/sleep')).toBeUndefined();
  });

  it('tell what was looked at and where it led, the links first, and nothing that others can change', () => {
    symlinkSync('/etc/alternatives/awk', join(root, 'usr/bin/awk'));
    symlinkSync('/usr/bin/mawk', join(root, 'etc/alternatives/awk'));
    symlinkSync('sleep', join(root, 'srv/app/mine'));
    chmodSync(join(root, 'srv/app'), 0o777);
    const resolver = pathResolver(root);
    for (const path of ['/bin/awk', '/usr/bin/not-there-yet', '/srv/app/mine', '/tmp/x', '/proc/7'])
      resolver.resolve(path);
    expect(resolver.seen().slice(0, 3)).toEqual([
      ['/bin', 'usr/bin'],
      ['/usr/bin/awk', '/etc/alternatives/awk'],
      ['/etc/alternatives/awk', '/usr/bin/mawk'],
    ]);
    expect(
      resolver
        .seen()
        .slice(3)
        .map(([path, target]) => path + target)
        .sort(),
    ).toEqual([
      '/etc',
      '/etc/alternatives',
      '/proc',
      '/srv',
      '/srv/app',
      '/tmp',
      '/usr',
      '/usr/bin',
      '/usr/bin/mawk',
      '/usr/bin/not-there-yet',
    ]);
  });

  it('end where links go in a circle, and never leave the root', () => {
    symlinkSync('b', join(root, 'usr/a'));
    symlinkSync('a', join(root, 'usr/b'));
    symlinkSync('../../../../usr', join(root, 'usr/up'));
    expect(resolve('/usr/a/x')).toEqual(['/usr/a/x']);
    expect(resolve('/usr/up/bin/sleep')).toEqual(['/usr/up/bin/sleep', '/usr/bin/sleep']);
  });

  it('do not follow what depends on who looks', () => {
    symlinkSync('7', join(root, 'proc/self'));
    symlinkSync('/usr/bin/sleep', join(root, 'proc/7/exe'));
    expect(resolve('/proc/self/exe')).toEqual(['/proc/self/exe']);
    expect(unfollowed('/proc/self')).toBeUndefined();
  });
});
