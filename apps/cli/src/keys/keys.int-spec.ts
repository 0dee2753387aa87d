import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type RootDocument,
  generateSigningKey,
  inspectRoot,
  payloadTypes,
  rootPayload,
  trustRoot,
} from '#bundle';
import { SmallDisks } from '#testing';
import { CommandFailed, UsageError } from '../output/errors.js';
import { createKey, listKeys, openKey, showKey } from './key-file.js';
import { changed, draftAfter, lacking, signedOf, type RootDraft } from './root-draft.js';
import { handsOf, publicKeyOf, signBytes, type Hand } from './signing.js';
import { agentKeys } from './ssh-agent.js';

const PASSPHRASE = 'correct horse battery';

let folder: string;
const before = { XDG_CONFIG_HOME: env['XDG_CONFIG_HOME'], SSH_AUTH_SOCK: env['SSH_AUTH_SOCK'] };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-keys-'));
  env['XDG_CONFIG_HOME'] = folder;
});
afterEach(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  rmSync(folder, { recursive: true });
});

const keyFile = (name: string) => join(folder, 'hostward/keys', `${name}.key.json`);

describe('a key file', () => {
  it('opens with its passphrase and with no other, and never holds the key in clear', async () => {
    const made = await createKey('alice', PASSPHRASE);
    const signer = await openKey('alice', PASSPHRASE);
    expect(signer.keyid).toBe(made.keyid);
    await expect(openKey('alice', 'another passphrase')).rejects.toThrow(CommandFailed);
    expect(statSync(keyFile('alice')).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyFile('alice'), 'utf8')).not.toContain('MC4CAQAwBQYDK2Vw');
    expect(await listKeys()).toEqual([made]);
  });

  it('is never overwritten, has a name that is one, and a passphrase that is long enough', async () => {
    const made = await createKey('alice', PASSPHRASE);
    await expect(createKey('alice', PASSPHRASE)).rejects.toThrow(CommandFailed);
    expect(await showKey('alice')).toEqual(made);
    await expect(createKey('../alice', PASSPHRASE)).rejects.toThrow(UsageError);
    await expect(createKey('bob', 'short')).rejects.toThrow(UsageError);
  });
});

(SmallDisks.canBeMade ? it : it.skip)(
  `a key that a full disk did not take leaves no file that keeps its name${SmallDisks.skipped}`,
  async () => {
    const disk = join(folder, 'disk');
    const disks = await SmallDisks.start([{ folder: disk, mib: 1 }]);
    try {
      env['XDG_CONFIG_HOME'] = disks.at(disk);
      await createKey('alice', PASSPHRASE);
      await disks.fill(disk);
      await expect(createKey('bob', PASSPHRASE)).rejects.toThrow(/cannot write .*bob.*ENOSPC/);
      expect((await listKeys()).map(({ name }) => name)).toEqual(['alice']);
      await disks.empty(disk);
      await createKey('bob', PASSPHRASE);
    } finally {
      await disks.stop();
    }
  },
);

describe('a root document on its way', () => {
  const handOf = async (name: string): Promise<Hand> => {
    await createKey(name, PASSPHRASE);
    const signer = await openKey(name, PASSPHRASE);
    return { ...signer, sign: (bytes) => Promise.resolve(signer.sign(bytes)) };
  };

  async function sign(draft: RootDraft, ...hands: readonly Hand[]): Promise<RootDraft> {
    const payload = rootPayload(draft.document);
    const signed = await signBytes(payloadTypes.root, payload, hands, draft.signatures);
    return { ...draft, signatures: signed.signatures };
  }

  it('collects signatures until the thresholds of both versions are met', async () => {
    const [a, b, c] = [await handOf('a'), await handOf('b'), await handOf('c')];
    const keys = await Promise.all(['a', 'b', 'c'].map(publicKeyOf));
    const online = generateSigningKey();
    const document: RootDocument = {
      ...({ v: 1, version: 1, epoch: '1', mode: 'managed', authors: [] } as const),
      expiresAt: Date.now() + 1_000_000,
      root: { threshold: 2, keys },
      online: [{ keyid: online.keyid, key: online.key }],
    };
    const first = await sign({ v: 1, document, signatures: [] }, a);
    expect(lacking(first)).toMatch(/1 of 2/);
    const complete = await sign(first, b);
    expect(lacking(complete)).toBeUndefined();
    const trusted = trustRoot(signedOf(complete));
    const next = changed(draftAfter(trusted.signed), { epoch: '2' });
    expect(lacking(next)).toBe('nobody has signed it');
    const signed = await sign(await sign(next, c), b);
    expect(lacking(signed)).toBeUndefined();
    expect(inspectRoot(signedOf(signed)).document).toMatchObject({ version: 2, epoch: '2' });
    expect(changed(signed, { epoch: '3' }).signatures).toEqual([]);
  });
});

const agentInstalled = existsSync('/usr/bin/ssh-agent') && existsSync('/usr/bin/ssh-keygen');
(agentInstalled ? describe : describe.skip)(
  'an ssh-agent (skipped where none is installed)',
  () => {
    let agent: ChildProcess;
    beforeEach(async () => {
      const socket = join(folder, 'agent.sock');
      agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
      env['SSH_AUTH_SOCK'] = socket;
      const end = Date.now() + 10_000;
      while (!existsSync(socket) && Date.now() < end) await delay(20);
      for (const [type, name] of [
        ['ed25519', 'alice'],
        ['ecdsa', 'other'],
      ] as const) {
        const file = join(folder, name);
        execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', name, '-f', file]);
        execFileSync('ssh-add', ['-q', file], { stdio: 'ignore', env });
      }
    });
    afterEach(() => void agent.kill());

    it('signs documents with its Ed25519 keys, which verify as any other', async () => {
      expect((await agentKeys()).map(({ comment }) => comment)).toEqual(['alice']);
      const [hand] = await handsOf({ key: ['ssh-agent:alice'] });
      if (!hand) throw new Error('nobody');
      const key = await publicKeyOf('ssh-agent:alice');
      const document: RootDocument = {
        ...({ v: 1, version: 1, epoch: '1', mode: 'managed', authors: [] } as const),
        expiresAt: Date.now() + 1_000_000,
        root: { threshold: 1, keys: [key] },
        online: [key],
      };
      const signed = await signBytes(payloadTypes.root, rootPayload(document), [hand]);
      expect(trustRoot(signed).document.version).toBe(1);
    });

    it('is told apart from one that is not there, and from a key that it does not have', async () => {
      await expect(handsOf({ key: ['ssh-agent:bob'] })).rejects.toThrow(
        /0 Ed25519 keys called "bob"/,
      );
      delete env['SSH_AUTH_SOCK'];
      await expect(handsOf({ key: ['ssh-agent:alice'] })).rejects.toThrow(
        /no ssh-agent is running/,
      );
    });
  },
);
