import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePrivateFolder } from './private-folder.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a folder', () => {
  it('is made with those above it, and stays as it is where it is there', () => {
    const path = join(folder, 'a', 'b');
    makePrivateFolder(path);
    makePrivateFolder(path);
    expect([folder, join(folder, 'a'), path].map((each) => statSync(each).mode & 0o777)).toEqual([
      0o700, 0o700, 0o700,
    ]);
  });

  it('that takes no new name is refused at once, however deep', () => {
    for (const path of ['/proc/x', '/proc/x/y/z'])
      expect(() => makePrivateFolder(path)).toThrow(
        "ENOENT: no such file or directory, mkdir '/proc/x'",
      );
  });

  it('is none where a file, or a link to nowhere, has its name or the one above', () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('nowhere', join(folder, 'link'));
    for (const name of ['file', 'file/x', 'link', 'link/x'])
      expect(() => makePrivateFolder(join(folder, name))).toThrow(/^(EEXIST|ENOTDIR)/);
  });
});
