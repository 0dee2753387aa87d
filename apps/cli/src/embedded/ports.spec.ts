import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { choosePorts, keptPorts, portsOf, rememberRedisPorts } from './ports.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-ports-'));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (): string => join(folder, 'ports.json');
const choose = () => choosePorts(folder, '127.0.0.1');

describe('the ports of a data folder', () => {
  it('are chosen once, and kept as a whole', async () => {
    expect(await keptPorts(folder)).toBeUndefined();
    await expect(portsOf(folder)).rejects.toThrow(`${file()} is not there`);
    const chosen = await choose();
    expect(await choose()).toEqual(chosen);
    expect(await portsOf(folder)).toEqual(chosen);
    expect(await readdir(folder)).toEqual(['ports.json']);
  });

  it('are for Redis those of a backup', async () => {
    const { redis, redisEvents } = await choose();
    await rm(file());
    await rememberRedisPorts(folder, { redis, redisEvents });
    expect(await choose()).toMatchObject({ redis, redisEvents });
  });

  it.each([
    ['nothing', ''],
    ['a part', '{"etcdClient":40001,"etcdPeer":40002,"red'],
    ['no port', '{"redis":"40003","redisEvents":40004}'],
    ['another document', 'null'],
  ])('are not chosen anew where %s is left of the file', async (_what, left) => {
    await writeFile(file(), left);
    await expect(choose()).rejects.toMatchObject({
      message: `${file()} does not hold the ports that were chosen for Redis, which hosts know`,
      remedy: expect.stringContaining('{"redis":PORT,"redisEvents":PORT}') as unknown,
    });
    expect(await readFile(file(), 'utf8')).toBe(left);
  });
});
