import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readOwnersWord, VetoError } from './veto.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-veto-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function config(text: string): string {
  const file = join(dir, 'agent.yaml');
  writeFileSync(file, text);
  return file;
}

describe("the owner's veto", () => {
  it('is read from the configuration of the agent, whose other keys do not matter here', async () => {
    const file = config('controlPlane: {url: "https://x"}\nveto: [a, no-sleep]\n');
    expect((await readOwnersWord(file)).veto).toEqual(['a', 'no-sleep']);
  });

  it('may name classes of rules, with a reason', async () => {
    const file = config('veto: [{paths: [/opt/], actions: [Block], reason: vendor}]\n');
    expect((await readOwnersWord(file)).veto).toEqual([
      { paths: ['/opt/'], actions: ['Block'], reason: 'vendor' },
    ]);
  });

  it.each([
    ['https://Hostward.corp.example:7443', 'hostward.corp.example'],
    ['https://127.0.0.1:7443', undefined],
    ['https://[::1]:7443', undefined],
    ['nonsense', undefined],
  ])('comes with the name of the control plane: %s', async (url, name) => {
    const file = config(`controlPlane: {url: "${url}"}\n`);
    expect((await readOwnersWord(file)).controlPlane).toBe(name);
  });

  it('is empty without a file and without the key', async () => {
    const silent = { veto: [], enforcer: 'auto', onOpenDescriptors: 'report' };
    expect(await readOwnersWord(join(dir, 'none.yaml'))).toEqual(silent);
    const file = config('enforcer: bpf\nonOpenDescriptors: kill\n');
    const said = { veto: [], enforcer: 'bpf', onOpenDescriptors: 'kill' };
    expect(await readOwnersWord(file)).toEqual(said);
  });

  it.each(['veto: all', 'veto: [1]', 'veto: {a: b}', '{', 'just text', 'x: &x [a]\nveto: *x'])(
    'is never overlooked: %j is an error',
    async (text) => {
      await expect(readOwnersWord(config(text))).rejects.toThrow(VetoError);
    },
  );
});
