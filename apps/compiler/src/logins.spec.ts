import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keysOfLogins } from './logins.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hw-logins-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const pathsOf = (passwd: readonly string[]): readonly string[] => {
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), `${passwd.join('\n')}\n`);
  return keysOfLogins(root).map(({ path }) => path);
};

describe('the keys by which people log in', () => {
  it('are of root and of people with a shell, and of no service', () => {
    expect(
      pathsOf([
        'root:x:0:0:root:/root:/bin/bash',
        'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
        'postgres:x:105:112::/var/lib/postgresql:/bin/bash',
        'ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash',
        'ci:x:1001:1001::/srv/ci:/bin/false',
        'twin:x:1002:1002::/home/ubuntu/:/bin/sh',
        'nohome:x:1003:1003::/:/bin/sh',
        'nobody:x:65534:65534:nobody:/nonexistent:/bin/sh',
        'broken',
      ]),
    ).toEqual(['/root/.ssh/authorized_keys', '/home/ubuntu/.ssh/authorized_keys']);
  });

  it('are of so many at most', () => {
    const line = (i: number): string => `u${i}:x:${2000 + i}:2000::/home/u${i}:/bin/sh`;
    expect(pathsOf(Array.from({ length: 500 }, (_, i) => line(i)))).toHaveLength(64);
  });

  it('are none where nothing is known of users', () => {
    expect(keysOfLogins(root)).toEqual([]);
  });
});
