import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SmallDisks } from '#testing';
import { CommandFailed, UsageError } from './errors.js';
import { outputFile, writeOutput } from './output-file.js';
import { isGiven, targetOf } from './output-target.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-output-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function refusal(path: string): CommandFailed {
  try {
    outputFile('--out')(path);
  } catch (error) {
    return error as CommandFailed;
  }
  throw new Error('was not refused');
}

describe('the name of a file to write', () => {
  it('names the folder that is not there, and how to make it', () => {
    const path = join(folder, 'missing/folder/x.tar');
    expect(refusal(path)).toMatchObject({
      message: `--out "${path}" cannot be written: the folder ${folder}/missing/folder is not there`,
      remedy: `make it by \`mkdir -p ${folder}/missing/folder\`, or name another file`,
    });
  });

  it('is none where a folder has it, or where a file has that of its folder', () => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'sub'));
    expect(refusal(join(folder, 'sub')).message).toContain('it is a folder');
    expect(refusal(join(folder, 'new/')).remedy).toBe(`name a file in it: ${folder}/new/FILE`);
    expect(refusal(join(folder, 'file/x')).message).toContain(`${folder}/file is no folder`);
    expect(refusal(join(folder, 'file/x/y')).message).toContain('ENOTDIR');
  });

  it('may be one that is there, a new one, or a device', () => {
    writeFileSync(join(folder, 'file'), '');
    for (const path of [join(folder, 'file'), join(folder, 'new'), 'here.json', '/dev/null'])
      expect(outputFile('--out')(path)).toBe(path);
    expect(() => outputFile('--out')('')).toThrow(UsageError);
  });

  it('is not `-`, of which it says how standard output and such a file are called', () => {
    expect(() => outputFile('--out')('-')).toThrow(
      new UsageError(
        '--out "-" names no file: write /dev/stdout for standard output, or ./- for a file of that name',
      ),
    );
  });

  it('is judged by what a link leads to', () => {
    mkdirSync(join(folder, 'sub'));
    symlinkSync('sub/new', join(folder, 'link'));
    symlinkSync('/dev/stdout', join(folder, 'stdout'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    for (const name of ['link', 'stdout', 'loop'])
      expect(outputFile('--out')(join(folder, name))).toBe(join(folder, name));
    symlinkSync('/proc/version', join(folder, 'elsewhere'));
    expect(targetOf(join(folder, 'elsewhere'))).toBe('/proc/version');
    expect(targetOf(join(folder, 'stdout'))).toBe(1);
  });

  it('is a descriptor where that is a pipe or terminal to somebody else', () => {
    const [file, read] = [openSync(join(folder, 'file'), 'a'), openSync('/dev/null', 'r')];
    const write = openSync('/dev/null', 'a');
    try {
      expect(outputFile('--out')(`/dev/fd/${write}`)).toBe(`/dev/fd/${write}`);
      for (const descriptor of [file, read, 9_999])
        expect(refusal(`/dev/fd/${descriptor}`)).toMatchObject({
          message: `--out "/dev/fd/${descriptor}" cannot be written: descriptor ${descriptor} is no pipe that this command was given to write to`,
          remedy: 'name the file itself, or /dev/stdout',
        });
    } finally {
      for (const each of [file, read, write]) closeSync(each);
    }
  });

  it('is none of those by which the program itself is woken up', () => {
    const own = readdirSync('/proc/self/fd').flatMap((name) => {
      const link = `/proc/self/fd/${name}`;
      // That by which the folder was read is gone.
      const what = Number(name) > 2 && existsSync(link) ? readlinkSync(link) : '';
      return what.startsWith('anon_inode:') ? [Number(name)] : [];
    });
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter(isGiven)).toEqual([]);
  });

  it('is no standard output where a new file is asked for', () => {
    expect(() => outputFile('--out', { isNew: true })('-')).toThrow(
      '--out "-" names no file: write ./- for a file of that name',
    );
    expect(() => outputFile('--out', { isNew: true })('/dev/stdout')).toThrow(
      '--out "/dev/stdout" cannot be written: it is no file',
    );
  });
});

describe('a file that is written', () => {
  it('takes the place of another one as a whole, also behind a link', async () => {
    const [file, linked] = [join(folder, 'file'), join(folder, 'link')];
    symlinkSync('file', linked);
    await writeOutput(file, 'old');
    await writeOutput(linked, async (put) => {
      await put('ne');
      expect(readFileSync(file, 'utf8')).toBe('old');
      await put('w');
    });
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect([lstatSync(linked).isSymbolicLink(), statSync(file).mode & 0o777]).toEqual([
      true,
      0o600,
    ]);
    expect(readdirSync(folder)).toEqual(['file', 'link']);
  });

  it('is the one of before where what was to be in it cannot be had', async () => {
    const file = join(folder, 'file');
    await writeOutput(file, 'old');
    const gone = new CommandFailed('the control plane is gone');
    const failing = async (): Promise<void> => Promise.reject(gone);
    await expect(writeOutput(file, failing)).rejects.toBe(gone);
    await expect(writeOutput(join(folder, 'new'), failing, { isNew: true })).rejects.toBe(gone);
    expect([readdirSync(folder), readFileSync(file, 'utf8')]).toEqual([['file'], 'old']);
  });

  it('is refused where it is to be new, and is there', async () => {
    const file = join(folder, 'file');
    await writeOutput(file, 'old', { isNew: true });
    await expect(writeOutput(file, 'new', { isNew: true })).rejects.toMatchObject({
      message: expect.stringMatching(/^cannot write .*file: .*EEXIST/),
      remedy: 'choose another name: what is there is never overwritten',
    });
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  it('is no device afterwards', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const read = readFile(pipe, 'utf8');
    await writeOutput(pipe, 'through');
    expect([await read, statSync(pipe).isFIFO()]).toEqual(['through', true]);
  });

  (SmallDisks.canBeMade ? it : it.skip)(
    `is the one of before where the disk does not take it, and nothing is left beside it${SmallDisks.skipped}`,
    async () => {
      const disks = await SmallDisks.start([{ folder, mib: 1 }]);
      try {
        const file = join(disks.at(folder), 'file');
        await writeOutput(file, 'old');
        const large = 'x'.repeat(2 ** 21);
        await expect(writeOutput(file, large)).rejects.toMatchObject({
          message: expect.stringMatching(/^cannot write .*file: .*ENOSPC/),
          remedy: expect.stringMatching(/^make room in .*, or name a file elsewhere$/),
        });
        expect(readFileSync(file, 'utf8')).toBe('old');
        expect(readdirSync(disks.at(folder))).toEqual(['file']);
      } finally {
        await disks.stop();
      }
    },
  );
});
