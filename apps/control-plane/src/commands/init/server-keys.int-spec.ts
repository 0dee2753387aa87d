import { X509Certificate, createPrivateKey } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readConfig } from '../../config/read-config.js';
import { init, type InitAnswer } from './init.js';
import { parseInitOptions } from './options.js';

let folder: string;
let held: readonly [etcd: number, redis: number];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-server-keys-'));
  held = [nameless('etcd'), nameless('redis')];
});
afterEach(() => {
  held.forEach(closeSync);
  rmSync(folder, { recursive: true });
});

/** As `up` makes it: a file that nobody can find by a name. */
function nameless(name: string): number {
  const path = join(folder, name);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

const pathOf = (fd: number) => `/proc/self/fd/${fd}`;
const start = (...flags: string[]) =>
  init(parseInitOptions(['--data-dir', join(folder, 'data'), ...flags]));
const startHolding = () => start('--etcd-key', pathOf(held[0]), '--redis-key', pathOf(held[1]));
const inFolder = () =>
  ['etcd.key', 'redis.key'].filter((name) => existsSync(join(folder, 'data/pki', name)));
const certificates = ({ etcd, redis }: InitAnswer) =>
  [etcd, redis].map(({ cert }) => readFileSync(cert, 'utf8'));
const fits = ({ etcd, redis }: InitAnswer) =>
  [etcd, redis].map(({ cert, key }) =>
    new X509Certificate(readFileSync(cert)).checkPrivateKey(createPrivateKey(readFileSync(key))),
  );

describe('keys of etcd and Redis that who starts them holds', () => {
  it('are written where they are held, and lie in no file', async () => {
    const answer = await startHolding();
    expect([inFolder(), fits(answer)]).toEqual([[], [true, true]]);
    expect([answer.etcd.key, answer.redis.key]).toEqual(held.map(pathOf));
    expect(readConfig(answer.configFile).redis.server?.key).toBe(pathOf(held[1]));
  });

  it('stay while they are good, and are made anew with their certificates after a start', async () => {
    const first = certificates(await startHolding());
    expect(certificates(await startHolding())).toEqual(first);
    held.forEach((fd) => ftruncateSync(fd));
    const again = await startHolding();
    expect(fits(again)).toEqual([true, true]);
    certificates(again).forEach((pem, at) => expect(pem).not.toBe(first[at]));
  });

  it('take the place of those that lay in files', async () => {
    await start();
    expect(inFolder()).toEqual(['etcd.key', 'redis.key']);
    const answer = await startHolding();
    expect([inFolder(), fits(answer)]).toEqual([[], [true, true]]);
  });

  it('are both held or neither', () => {
    expect(() => start('--etcd-key', pathOf(held[0]))).toThrow(/must be given with/);
  });
});
