import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
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
