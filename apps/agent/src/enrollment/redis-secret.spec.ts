import { describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hostFiles } from '../config/host-files.js';
import { RedisSecret } from './redis-secret.js';

describe('a change of the secret for Redis', () => {
  it('that ended but for its last step is not begun for ever', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'hostward-secret-'));
    try {
      const files = hostFiles(dir);
      mkdirSync(dirname(files.redisSecretNext));
      writeFileSync(files.redisSecret, 'before\n');
      const secret = new RedisSecret(files, 'before');
      const next = await secret.begin();
      expect(await secret.next()).toBe(next);
      await secret.use(next);
      // The process ended before it was gone.
      writeFileSync(files.redisSecretNext, `${next}\n`);
      const again = await RedisSecret.read(files);
      expect([again?.current, await again?.next()]).toEqual([next, undefined]);
      expect(existsSync(files.redisSecretNext)).toBe(false);
      expect(await again?.begin()).not.toBe(next);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
