import { homedir } from 'node:os';
import { join } from 'node:path';
import { cwd, env } from 'node:process';
import { afterEach, describe, expect, it } from '@jest/globals';
import { labCacheDir } from './lab.config.js';

describe('the folder of images and snapshots', () => {
  const before = env['HOSTWARD_CACHE'];
  afterEach(() => {
    if (before === undefined) delete env['HOSTWARD_CACHE'];
    else env['HOSTWARD_CACHE'] = before;
  });

  it.each([
    ['/var/cache/x', '/var/cache/x/lab'],
    ['x', join(cwd(), 'x/lab')],
    ['', join(homedir(), '.cache/hostward/lab')],
  ])('is absolute with HOSTWARD_CACHE=%s', (value, folder) => {
    env['HOSTWARD_CACHE'] = value;
    expect(labCacheDir()).toBe(folder);
  });
});
