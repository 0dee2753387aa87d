import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { SqliteAlertStore } from '../../alerts/sqlite-alert.store.js';
import { Rig } from '../../testing/rig.js';
import { backup } from './backup.js';
import { restore } from './restore.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.prepare();
});
afterAll(() => rig.stop());

it('a backup has keys that are links, and leaves out and names files whose names a restore would not take', async () => {
  const folder = dirname(rig.files.configFile);
  const [key, volume] = [join(folder, 'keys/online.key'), join(folder, 'online.key')];
  renameSync(key, volume);
  symlinkSync(volume, key);
  const strays = ['keys/root.json~', 'pki/.ca.pem.swp', 'pki/ca (copy).pem'];
  for (const stray of strays) writeFileSync(join(folder, stray), 'x');
  const out = join(folder, 'one.backup');
  const { members, elsewhere } = await backup({ config: rig.configFile(), out });
  expect(members).toContain('keys/online.key');
  expect(members.filter((member) => strays.includes(member))).toEqual([]);
  expect(elsewhere).toEqual(expect.arrayContaining(strays.map((stray) => join(folder, stray))));
});

describe('a restore', () => {
  let file: string;
  let alertsOf: string;
  const at = (name: string) => join(dirname(rig.files.configFile), 'restored', name);
  const restored = (dataDir: string, etcdDir: string) => restore(file, { dataDir, etcdDir });
  const idOf = async (folder: string) => {
    const store = new SqliteAlertStore(join(folder, 'alerts.db'), 10);
    try {
      return await store.id();
    } finally {
      store.close();
    }
  };
  beforeAll(async () => {
    alertsOf = await idOf(dirname(rig.files.configFile));
    file = join(dirname(rig.files.configFile), 'to-restore.backup');
    await backup({ config: rig.configFile(), out: file });
    mkdirSync(at('empty'), { recursive: true });
  });

  it('leaves nothing where the second of its two folders cannot be put in place', async () => {
    symlinkSync(at('empty'), at('link'));
    const attempt = restored(at('link'), at('etcd'));
    await expect(attempt).rejects.toThrow(/link: nothing can be moved there.*\n.*no link/);
    expect(readdirSync(at('')).toSorted()).toEqual(['empty', 'link']);
    await restored(at('empty'), at('etcd'));
    expect(readdirSync(at('')).toSorted()).toEqual(['empty', 'etcd', 'link']);
  });

  it('gives a store of alerts that readers of the one before are told from', async () => {
    expect(existsSync(join(at('empty'), 'alerts.db'))).toBe(true);
    const id = await idOf(at('empty'));
    expect(id).not.toBe(alertsOf);
    expect(await idOf(at('empty'))).toBe(id);
  });

  it('is not made onto a mount point, and says what to do', async () => {
    const rule = /-dir is \/proc: must be no mount point.* make a folder below it/;
    await expect(restored('/proc', at('other'))).rejects.toThrow(rule);
    await expect(restored(at('other'), '/proc')).rejects.toThrow(rule);
    expect(existsSync(at('other'))).toBe(false);
  });
});

it.each(['online@2026.key', 'online.key.new'])(
  'no backup is made without a key that is needed: %s',
  async (name) => {
    const folder = dirname(rig.files.configFile);
    const config = rig.configFile();
    writeFileSync(config, readFileSync(config, 'utf8').replace('keys/online.key', `keys/${name}`));
    symlinkSync(join(folder, 'online.key'), join(folder, 'keys', name));
    const out = join(folder, 'two.backup');
    await expect(backup({ config, out })).rejects.toThrow(
      /keys.onlineKey.*must lie in .* under a name/,
    );
    expect(existsSync(out)).toBe(false);
  },
);
