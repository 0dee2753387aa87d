import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { skipped, whyNoBpffs, whyNoDeadMount, whyNoMounts } from './fixtures/private-mounts.js';
import { buildNative } from './fixtures/native-build.js';

const run = promisify(execFile);

/** A failing C test says where on stderr; execFile puts both streams into the error that the report shows. */
async function runTest(file: string): Promise<string> {
  const { stdout } = await run(file, [], { timeout: 240_000 });
  return stdout;
}

/** It says of each of its tests that it is ok. */
async function expectToPass(out: string, name: string): Promise<void> {
  const source = readFileSync(new URL(`../native/tests/${name}.c`, import.meta.url), 'utf8');
  const expected = [...source.matchAll(/^ {8}TEST\((\w+)\);/gm)].map(([, title]) => `ok ${title}`);
  const stdout = await runTest(join(out, 'sanitize', name));
  expect(stdout.trim().split('\n')).toEqual(expected);
}

describe('the native sensor under ASan and UBSan', () => {
  let out = '';

  beforeAll(async () => {
    out = await buildNative('sanitize');
  }, 300_000);

  it.each([
    'frame-test',
    'fell-back-test',
    'heeded-test',
    'held-test',
    'jobs-test',
    'table-test',
    'audit-record-test',
    'bindings-test',
    'confirm-test',
    'cover-test',
    'enforce-test',
    'events-test',
    'persistence-test',
    'recompile-test',
    'sensing-test',
    'telemetry-event-test',
    'explain-test',
    'probe-test',
    'trust-test',
    'table-walk-test',
    'usb-test',
    'server-test',
  ])('passes %s', (name) => expectToPass(out, name));

  const noDeadMount = whyNoDeadMount();
  (noDeadMount ? it.skip : it)(`passes dead-mount-test${skipped(noDeadMount)}`, () =>
    expectToPass(out, 'dead-mount-test'),
  );

  const noMounts = whyNoMounts();
  (noMounts ? it.skip : it)(`passes context-test${skipped(noMounts)}`, () =>
    expectToPass(out, 'context-test'),
  );

  const noBpffs = whyNoBpffs();
  (noBpffs ? it.skip : it)(`passes pins-test${skipped(noBpffs)}`, () =>
    expectToPass(out, 'pins-test'),
  );

  it('walks a table in the kernel as outside it, where the kernel takes a raw tracepoint', async () => {
    const stdout = await runTest(join(out, 'sanitize', 'table-kernel-test'));
    expect(stdout).toMatch(/^(ok \w+\nok \w+|skip the kernel takes no raw tracepoint: .+)\n$/);
  });

  it('explains itself and refuses what it does not know', async () => {
    const sensor = join(out, 'sanitize', 'hostward-sensor-fake');
    await expect(run(sensor, ['dance'])).rejects.toMatchObject({ code: 2 });
    await expect(run(sensor, ['run', '--confirm-timeout', 'soon'])).rejects.toMatchObject({
      code: 2,
    });
    await expect(run(sensor, ['suspend', '--mode', 'off'])).rejects.toMatchObject({ code: 2 });
    await expect(run(sensor, ['explain', '--path', '/a'])).rejects.toMatchObject({ code: 2 });
    const nowhere = ['--bpffs', '/nonexistent', '--path', '/a', '--operation', 'read'];
    await expect(run(sensor, ['explain', ...nowhere])).rejects.toMatchObject({ code: 1 });
    expect((await run(sensor, ['version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('the build', () => {
  it('makes a hardened program and a BPF object without a warning', async () => {
    const out = await buildNative('all');
    const { stdout } = await run('readelf', ['-lhdW', join(out, 'hostward-sensor')]);
    expect(stdout).toMatch(/Type:\s+DYN/);
    expect(stdout).toMatch(/GNU_RELRO/);
    expect(stdout).toMatch(/BIND_NOW/);
    expect(stdout).toMatch(/GNU_STACK.* RW /);
    // libbpf, libelf and zlib are inside.
    const needed = [...stdout.matchAll(/NEEDED.*\[(.*)\]/g)].map(([, name]) => name);
    expect(needed).toEqual(['libc.so.6']);
    const bpf = await run('readelf', ['-hSW', join(out, 'lsm_probe.bpf.o')]);
    expect(bpf.stdout).toMatch(/lsm\/file_open/);
  }, 300_000);
});
