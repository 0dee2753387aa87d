import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { existsSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Rig } from '../testing/rig.js';
import { backup } from './backup.js';

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
  const { members, elsewhere } = await backup(['--config', rig.configFile(), '--out', out]);
  expect(members).toContain('keys/online.key');
  expect(members.filter((member) => strays.includes(member))).toEqual([]);
  expect(elsewhere).toEqual(expect.arrayContaining(strays.map((stray) => join(folder, stray))));
});

it.each(['online@2026.key', 'online.key.new'])(
  'no backup is made without a key that is needed: %s',
  async (name) => {
    const folder = dirname(rig.files.configFile);
    const config = rig.configFile();
    writeFileSync(config, readFileSync(config, 'utf8').replace('keys/online.key', `keys/${name}`));
    symlinkSync(join(folder, 'online.key'), join(folder, 'keys', name));
    const out = join(folder, 'two.backup');
    await expect(backup(['--config', config, '--out', out])).rejects.toThrow(
      /keys.onlineKey.*must lie in .* under a name/,
    );
    expect(existsSync(out)).toBe(false);
  },
);
