import {
  preAuthEncoding,
  type PublicKey,
  type SignedDocument,
  type Signer,
  withSignature,
} from '#bundle';
import { CommandFailed, UsageError } from '../output/errors.js';
import { agentKeys, agentSign } from './ssh-agent.js';
import { openKey, showKey } from './key-file.js';
import { Passphrases } from './passphrase.js';
import { openRootKey } from './root-key-file.js';

/** Somebody who signs documents: a key file, the ssh-agent, or the key that `up` made. */
export interface Hand extends PublicKey {
  readonly sign: (message: Uint8Array) => Promise<Buffer>;
}

/** How a command is told who signs. */
export interface SigningOptions {
  readonly key?: readonly string[];
  readonly keyFile?: string;
  readonly passphraseFd?: number;
  /** Of `keyFile`, where that is encrypted: as `up` is given it. */
  readonly passphraseFile?: string;
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
  passphraseFile,
}: SigningOptions): Promise<readonly Hand[]> {
  const hands: Hand[] = [];
  const secrets = new Passphrases(passphraseFd);
  for (const spec of key) hands.push(await handOf(spec, secrets));
  if (keyFile !== undefined)
    hands.push(handBy(await openRootKey(keyFile, secrets, passphraseFile)));
  if (hands.length > 0) return hands;
  throw new UsageError('nobody signs: add --key NAME or --key ssh-agent:COMMENT');
}

async function handOf(spec: string, secrets: Passphrases): Promise<Hand> {
  if (spec.startsWith(AGENT)) {
    const key = await agentKey(spec);
    return { keyid: key.keyid, key: key.key, sign: (message) => agentSign(key, message) };
  }
  await showKey(spec);
  return handBy(await openKey(spec, await secrets.of(spec)));
}

function handBy(signer: Signer): Hand {
  const { keyid, key } = signer;
  return { keyid, key, sign: (message) => Promise.resolve(signer.sign(message)) };
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
