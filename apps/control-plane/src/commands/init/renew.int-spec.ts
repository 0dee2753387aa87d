import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { init, type InitAnswer } from './init.js';
import { parseInitOptions } from './options.js';
import { renew } from './renew.js';

const HOUR_MS = 3_600_000;

let folder: string;
let made: InitAnswer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-renew-'));
  made = await init(parseInitOptions(['--data-dir', folder, '--names', 'cp1.example,10.0.0.1']));
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

const after = (hours: number) =>
  jest.useFakeTimers({ now: Date.now() + hours * HOUR_MS, advanceTimers: true });

describe('the renewal of certificates', () => {
  it('leaves alone what is in the first half of its life', async () => {
    expect(await renew(made.configFile)).toEqual({ renewed: [] });
    after(11);
    expect(await renew(made.configFile)).toEqual({ renewed: [] });
  });

  it('makes all anew in the second half, for the same names and by the same authorities', async () => {
    const before = new X509Certificate(readFileSync(made.etcd.cert));
    after(13);
    const { renewed } = await renew(made.configFile);
    const names = ['control-plane', 'redis', 'client', 'etcd', 'etcd-client'];
    expect(renewed).toEqual(names.map((name) => join(folder, 'pki', `${name}.pem`)));
    const now = new X509Certificate(readFileSync(made.etcd.cert));
    expect(now.validToDate.getTime()).toBeGreaterThan(before.validToDate.getTime());
    expect([now.subjectAltName, now.issuer]).toEqual([before.subjectAltName, before.issuer]);
    expect(readFileSync(made.etcd.key, 'utf8')).toContain('PRIVATE KEY');
  });

  it('makes all anew that was made while the clock was ahead, and counts only later', async () => {
    after(48);
    await renew(made.configFile);
    jest.useRealTimers();
    expect((await renew(made.configFile)).renewed).toHaveLength(5);
    expect(await renew(made.configFile)).toEqual({ renewed: [] });
  });

  it('is not for what up runs, whose keys lie in memory', async () => {
    const text = readFileSync(made.configFile, 'utf8');
    writeFileSync(made.configFile, text.replace(made.redis.key, '/proc/self/fd/4'));
    await expect(renew(made.configFile)).rejects.toThrow(
      'redis.server.key is /proc/self/fd/4: must be',
    );
  });
});
