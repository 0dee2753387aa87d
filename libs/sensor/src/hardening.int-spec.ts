import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { AppArmorParser } from '#testing';
import { buildNative } from './fixtures/native-build.js';

describe('the program of root, as it is shipped', () => {
  let elf = '';

  beforeAll(async () => {
    const program = join(await buildNative('all'), 'hostward-sensor');
    const options = ['--wide', '--file-header', '--program-headers', '--dynamic', '--dyn-syms'];
    elf = (await promisify(execFile)('readelf', [...options, program])).stdout;
  }, 300_000);

  it('is position independent', () => {
    expect(elf).toMatch(/Type:\s+DYN \(Position-Independent Executable file\)/);
    expect(elf).toMatch(/FLAGS_1\).*\bPIE\b/);
  });

  it('binds everything at its start and then makes its tables read-only', () => {
    expect(elf).toMatch(/^\s+GNU_RELRO\s/m);
    expect(elf).toMatch(/BIND_NOW/);
  });

  it('has no memory that is both written and executed, the stack included', () => {
    expect(elf).toMatch(/^\s+GNU_STACK\s.*\sRW\s/m);
    expect(elf).not.toMatch(/^\s+(LOAD|GNU_STACK)\s.*\sRWE\s/m);
    expect(elf).not.toContain('TEXTREL');
  });

  it('guards its stack and the bounds of its buffers', () => {
    expect(elf).toContain('__stack_chk_fail');
    expect(elf).toMatch(/__(memcpy|snprintf|vsnprintf|fprintf|read)_chk/);
  });

  it('is linked with what every distribution has and looks for it nowhere else', () => {
    const needed = [...elf.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name);
    expect(needed).toEqual(['libc.so.6']);
    expect(elf).not.toMatch(/\((RPATH|RUNPATH)\)/);
  });
});

describe('the AppArmor profiles of the package', () => {
  const dir = new URL('../native/apparmor/', import.meta.url);
  const parser = AppArmorParser.find();
  const withParser = parser === undefined ? it.skip : it;

  withParser.each(readdirSync(dir))('%s is taken by the parser', (name) => {
    const { ok, stderr } = parser?.compile(readFileSync(new URL(name, dir), 'utf8')) ?? {};
    expect({ ok, stderr }).toEqual({ ok: true, stderr: '' });
  });
});
