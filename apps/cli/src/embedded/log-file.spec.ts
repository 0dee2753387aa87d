import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFile } from './log-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the log of a supervised program', () => {
  it('goes on where it was, readable by its owner alone', () => {
    const path = join(folder, 'a.log');
    new LogFile(path).write(Buffer.from('one\n'));
    new LogFile(path).write(Buffer.from('two\n'));
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is bounded, with one older file', () => {
    const path = join(folder, 'a.log');
    const log = new LogFile(path);
    const chunk = Buffer.alloc(6 * 1024 * 1024, 'x');
    for (let i = 0; i < 6; i++) log.write(chunk);
    expect(statSync(path).size).toBe(12 * 1024 * 1024);
    expect(statSync(`${path}.1`).size).toBe(12 * 1024 * 1024);
  });

  it('counts what the disk did not take, and keeps the last lines for a message', () => {
    const path = join(folder, 'away', 'a.log');
    const log = new LogFile(path);
    log.write(Buffer.from('lost\n'));
    log.write(Buffer.from('lost too\n'));
    mkdirSync(join(folder, 'away'));
    log.write(Buffer.from('kept\n'));
    expect(readFileSync(path, 'utf8')).toBe('(2 pieces of output were lost)\nkept\n');
    expect(log.tail(2)).toBe('lost too\nkept');
  });
});
