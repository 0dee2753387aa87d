import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HostKeys } from './host-keys.js';

const { signal } = new AbortController();

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hw-host-keys-'));
  file = join(folder, 'known_hosts');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function hostKeys(text: string): Promise<HostKeys> {
  await writeFile(file, text);
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  return HostKeys.read({ files: [file], fingerprints: [], confirm });
}

function blobOf(type: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.from('a key')]);
}

describe('the keys of hosts', () => {
  it('are asked for by the types that are known, and not by one that is revoked for every host', async () => {
    const keys = await hostKeys('@revoked * ssh-rsa AAAA\nweb1 ssh-ed25519 BBBB\n');
    expect(keys.algorithmsOf('web1', 22)).toEqual(['ssh-ed25519']);
    expect(keys.algorithmsOf('web2', 22)).toEqual([]);
  });

  it.each([
    ['without a newline at its end', 'old ssh-ed25519 AAAA'],
    ['with one', 'old ssh-ed25519 AAAA\n'],
    ['that is empty', ''],
  ])('that somebody confirms are kept on a line of their own, in a file %s', async (_, text) => {
    const blob = blobOf('ssh-ed25519');
    await (await hostKeys(text)).check('web1', 22, blob, signal);
    const before = text.trimEnd();
    const kept = `web1 ssh-ed25519 ${blob.toString('base64')}\n`;
    expect(await readFile(file, 'utf8')).toBe(before === '' ? kept : `${before}\n${kept}`);
  });
});
