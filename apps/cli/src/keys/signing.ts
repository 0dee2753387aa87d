import { readFile } from 'node:fs/promises';
import {
  loadSigner,
  preAuthEncoding,
  type PublicKey,
  type SignedDocument,
  withSignature,
} from '#bundle';
import { CommandFailed, UsageError } from '../errors.js';
import { agentKeys, agentSign } from './ssh-agent.js';
import { openKey, showKey } from './key-file.js';
import { Passphrases } from './passphrase.js';

/** Somebody who signs documents: a key file, the ssh-agent, or the key that `up` made. */
export interface Hand extends PublicKey {
  readonly sign: (message: Uint8Array) => Promise<Buffer>;
}

/** How a command is told who signs. */
export interface SigningOptions {
  readonly key?: readonly string[];
  readonly keyFile?: string;
  readonly passphraseFd?: number;
}

const AGENT = 'ssh-agent:';

/** Public part of `NAME`, or of `ssh-agent:COMMENT`. */
export async function publicKeyOf(spec: string): Promise<PublicKey> {
  const { keyid, key } = spec.startsWith(AGENT) ? await agentKey(spec) : await showKey(spec);
  return { keyid, key };
}

/** Everybody who is to sign; at least one. */
export async function handsOf({
  key = [],
  keyFile,
  passphraseFd,
}: SigningOptions): Promise<readonly Hand[]> {
  const hands: Hand[] = [];
  const secrets = new Passphrases(passphraseFd);
  for (const spec of key) hands.push(await handOf(spec, secrets));
  if (keyFile !== undefined) hands.push(await plainHand(keyFile));
  if (hands.length > 0) return hands;
  throw new UsageError('nobody signs: add --key NAME or --key ssh-agent:COMMENT');
}

async function handOf(spec: string, secrets: Passphrases): Promise<Hand> {
  if (spec.startsWith(AGENT)) {
    const key = await agentKey(spec);
    return { keyid: key.keyid, key: key.key, sign: (message) => agentSign(key, message) };
  }
  await showKey(spec);
  const signer = await openKey(spec, await secrets.of(spec));
  return {
    keyid: signer.keyid,
    key: signer.key,
    sign: (message) => Promise.resolve(signer.sign(message)),
  };
}

async function agentKey(spec: string) {
  const wanted = spec.slice(AGENT.length);
  const keys = await agentKeys();
  const found = keys.filter(({ comment, keyid }) => comment === wanted || keyid === wanted);
  const [only, ...more] = found;
  if (only && more.length === 0) return only;
  const known = keys.map(({ comment }) => comment).join(', ');
  throw new CommandFailed(
    `the ssh-agent has ${found.length} Ed25519 keys called "${wanted}"`,
    known === '' ? 'ssh-add one (ssh-keygen -t ed25519)' : `it has: ${known}; or name the key id`,
  );
}

/** The root key that `up` made: not encrypted, beside the control plane. */
async function plainHand(path: string): Promise<Hand> {
  try {
    const signer = loadSigner((await readFile(path, 'utf8')).trim());
    return {
      keyid: signer.keyid,
      key: signer.key,
      sign: (message) => Promise.resolve(signer.sign(message)),
    };
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailed(`${path}: ${words}`, undefined, { cause });
  }
}

/** The document with the signature of everybody. */
export async function signBytes(
  payloadType: string,
  payload: Buffer,
  hands: readonly Hand[],
  signatures: SignedDocument['signatures'] = [],
): Promise<SignedDocument> {
  const message = preAuthEncoding(payloadType, payload);
  let document: SignedDocument = { payloadType, payload: payload.toString('base64'), signatures };
  for (const { keyid, sign } of hands) {
    const sig = (await sign(message)).toString('base64');
    document = withSignature(document, { keyid, sig });
  }
  return document;
}
