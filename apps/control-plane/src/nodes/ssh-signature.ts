import { createHash, createPublicKey, verify } from 'node:crypto';

/** Whose signature is expected: `ssh-ed25519` and the key in base64, and what it was made for. */
export interface SshSigner {
  readonly key: string;
  readonly namespace: string;
}

const ARMOR =
  /^-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]{1,4000})-----END SSH SIGNATURE-----\s*$/;
const MAGIC = Buffer.from('SSHSIG');
const VERSION = 1;
const HASHES: ReadonlySet<string> = new Set(['sha256', 'sha512']);
const TYPE = 'ssh-ed25519';
/** SubjectPublicKeyInfo of an Ed25519 key, up to its 32 bytes (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Whether an armored SSH signature (OpenSSH's PROTOCOL.sshsig, version 1, Ed25519) over `message` is this signer's. Whatever
 * cannot be read is nobody's.
 */
export function isSshSignature(armored: string, message: Uint8Array, signer: SshSigner): boolean {
  const body = ARMOR.exec(armored)?.[1];
  const signature = body && parse(Buffer.from(body, 'base64'));
  if (!signature) return false;
  const { publicKey, namespace, reserved, hash, value } = signature;
  const expected = Buffer.from(signer.key.split(' ')[1] ?? '', 'base64');
  if (!publicKey.equals(expected) || namespace.toString() !== signer.namespace) return false;
  const raw = fields(publicKey, 0)?.[1];
  if (raw?.length !== 32 || value.length !== 64 || !HASHES.has(hash.toString())) return false;
  const digest = createHash(hash.toString()).update(message).digest();
  const signed = Buffer.concat([MAGIC, ...[namespace, reserved, hash, digest].map(asField)]);
  const spki = Buffer.concat([SPKI, raw]);
  return verify(null, signed, createPublicKey({ key: spki, format: 'der', type: 'spki' }), value);
}

interface Parsed {
  readonly publicKey: Buffer;
  readonly namespace: Buffer;
  readonly reserved: Buffer;
  readonly hash: Buffer;
  readonly value: Buffer;
}

function parse(blob: Buffer): Parsed | undefined {
  const head = MAGIC.length + 4;
  const known =
    blob.length > head &&
    blob.subarray(0, MAGIC.length).equals(MAGIC) &&
    blob.readUInt32BE(MAGIC.length) === VERSION;
  const parts = known ? fields(blob, head) : undefined;
  if (parts?.length !== 5) return undefined;
  const [publicKey, namespace, reserved, hash, signature] = parts;
  const [type, value, ...more] = (signature && fields(signature, 0)) ?? [];
  if (!publicKey || !namespace || !reserved || !hash || !value) return undefined;
  if (more.length > 0 || type?.toString() !== TYPE) return undefined;
  if (fields(publicKey, 0)?.[0]?.toString() !== TYPE) return undefined;
  return { publicKey, namespace, reserved, hash, value };
}

/** Strings of SSH's wire form (RFC 4251, 5), each with its length before it; undefined where they do not fill the rest. */
function fields(bytes: Buffer, from: number): readonly Buffer[] | undefined {
  const found: Buffer[] = [];
  for (let at = from; at < bytes.length;) {
    if (bytes.length - at < 4) return undefined;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    found.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return found;
}

function asField(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
