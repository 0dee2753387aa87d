import { generateKeyPairSync, verify } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { heldSums, signSums } from './checksums.js';
import type { ReleaseKey } from './release-key.js';

const VERSION = '0.1.0';
const AGENT = 'hostward-agent_0.1.0_amd64.deb';
const CONTROL_PLANE = 'hostward_0.1.0_amd64.deb';
const KEY = newKey();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-sums-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function newKey(): ReleaseKey {
  return { key: generateKeyPairSync('ed25519').privateKey, file: 'key', isDevelopment: true };
}

/** Makes some packages of the folder, as a run of `hostward package` does. */
async function make(names: readonly string[], version = VERSION, key = KEY): Promise<void> {
  for (const name of names) writeFileSync(join(folder, name), `the bytes of ${name}`);
  const held = await heldSums(folder, version, key);
  await signSums(
    folder,
    names.map((name) => join(folder, name)),
    key,
    held,
  );
}

const read = (name: string): Buffer => readFileSync(join(folder, name));
const named = (): string[] =>
  read('SHA256SUMS')
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(66));

describe('sums of a release that is made package by package', () => {
  it('name what an earlier run made of the same version, under one signature', async () => {
    await make([CONTROL_PLANE]);
    await make([AGENT]);
    expect(named()).toEqual([AGENT, CONTROL_PLANE]);
    const key = read('release.pub.pem').toString();
    expect(verify(null, read('SHA256SUMS'), key, read('SHA256SUMS.sig'))).toBe(true);
  });

  it('name a package that is made again once', async () => {
    await make([AGENT, CONTROL_PLANE]);
    await make([AGENT]);
    expect(named()).toEqual([AGENT, CONTROL_PLANE]);
  });

  it('leave out what is of another version, is not there any more, or was changed', async () => {
    await make([AGENT, CONTROL_PLANE, 'hostward-agent_0.1.0_arm64.deb']);
    rmSync(join(folder, 'hostward-agent_0.1.0_arm64.deb'));
    appendFileSync(join(folder, CONTROL_PLANE), '!');
    await make([AGENT]);
    expect(named()).toEqual([AGENT]);
    await make(['hostward-agent_0.2.0_amd64.deb'], '0.2.0');
    expect(named()).toEqual(['hostward-agent_0.2.0_amd64.deb']);
  });

  it('vouch for nothing that the same key has not signed', async () => {
    await make([CONTROL_PLANE], VERSION, newKey());
    await make([AGENT]);
    expect(named()).toEqual([AGENT]);
    appendFileSync(join(folder, 'SHA256SUMS'), `${'ab'.repeat(32)}  ${CONTROL_PLANE}\n`);
    await make([AGENT]);
    expect(named()).toEqual([AGENT]);
  });
});
