import { X509Certificate, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import {
  createAuthority,
  isIssuedBy,
  issueServer,
  issueServiceClient,
  parseCertificate,
  type KeyAndCertificate,
} from '#pki';
import type { SecretFiles } from '../../config/secret-files.js';
import { isSealed } from '../../config/vault.js';
import { readIfThere, writePrivate } from '../../config/private-file.js';
import type { Layout } from './layout.js';

const CA_DAYS = 3_650;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** How leaves are made. */
export interface LeafOptions {
  readonly secrets: SecretFiles;
  /** Writes the keys that etcd and Redis read themselves, so that they are in clear. */
  readonly serverKeys: (path: string, pem: string) => void;
  readonly hours?: number;
}

/** Whose certificates are whose: those that hosts may meet, and those of etcd, which none meets. */
export interface Issuers {
  readonly authority: KeyAndCertificate;
  readonly etcdAuthority: KeyAndCertificate;
}

/** The authority of etcd and its clients: made once, read ever after; to replace it, remove both files while etcd is down. */
export async function ensureEtcdAuthority(
  { cert, key }: Pair,
  secrets: SecretFiles,
): Promise<KeyAndCertificate> {
  const certificatePem = readIfThere(cert);
  const privateKeyPem = secrets.readIfThere(key);
  if (certificatePem !== undefined && privateKeyPem !== undefined)
    return { certificatePem, privateKeyPem };
  const made = await createAuthority({ name: 'Hostward etcd CA', days: CA_DAYS });
  secrets.write(key, made.privateKeyPem);
  writePrivate(cert, made.certificatePem);
  return made;
}

/** The name that a client of etcd must have; etcd's own certificate has it too, since its gateway is its client. */
const ETCD_CLIENT = 'control-plane';

/**
 * Certificates of the servers and of the control plane as a client; those whose life is half over, that are of other
 * names or of an authority that has been replaced are made anew. Run it again at intervals: programs that run take the
 * new ones in (ADR-0004).
 */
export async function ensureLeaves(
  files: Layout,
  { authority, etcdAuthority }: Issuers,
  names: readonly string[],
  { secrets, serverKeys, hours }: LeafOptions,
): Promise<void> {
  const all = [...new Set([...names, 'localhost', '127.0.0.1'])];
  const dns = all.filter((name) => isIP(name) === 0);
  const ips = all.filter((name) => isIP(name) !== 0);
  const server = (more: readonly string[]) => (issuer: KeyAndCertificate) =>
    issueServer({ authority: issuer, names: [...dns, ...more], ips, hours, alsoClient: true });
  const client = (issuer: KeyAndCertificate) =>
    issueServiceClient({ authority: issuer, name: ETCD_CLIENT, hours });
  const served = [...dns, ...ips];
  const clear = { write: serverKeys };
  for (const [pair, issuer, keyFiles, issue, asked] of [
    [files.controlPlane, authority, secrets, server([]), served],
    [files.redis, authority, clear, server([]), served],
    [files.client, authority, secrets, client, [ETCD_CLIENT]],
    [files.etcd, etcdAuthority, clear, server([ETCD_CLIENT]), [...served, ETCD_CLIENT]],
    [files.etcdClient, etcdAuthority, secrets, client, [ETCD_CLIENT]],
  ] as const) {
    if (!isGood(pair, issuer, asked)) write(pair, await issue(issuer), issuer, keyFiles);
  }
}

/** The chain goes with the leaf, so that a host can compare the authority with the fingerprint it was given. */
function write(
  pair: Pair,
  made: KeyAndCertificate,
  authority: KeyAndCertificate,
  keyFiles: Pick<SecretFiles, 'write'>,
): void {
  keyFiles.write(pair.key, made.privateKeyPem);
  writePrivate(pair.cert, `${made.certificatePem.trimEnd()}\n${authority.certificatePem}`);
}

function isGood(pair: Pair, issuer: KeyAndCertificate, names: readonly string[]): boolean {
  const certificate = readIfThere(pair.cert);
  if (certificate === undefined || !isKeyOf(certificate, readIfThere(pair.key))) return false;
  if (!isIssuedBy(certificate, issuer.certificatePem)) return false;
  const { notBefore, notAfter, alternativeNames } = parseCertificate(certificate);
  const halfLife = (notBefore.getTime() + notAfter.getTime()) / 2;
  const listed = alternativeNames.split(', ').map((name) => name.replace(/^DNS:/, ''));
  const leaf = new X509Certificate(certificate);
  // An IPv6 address can be written in many ways.
  const isNamed = (name: string) =>
    isIP(name) === 0 ? listed.includes(name) : leaf.checkIP(name) !== undefined;
  const now = Date.now();
  // One that was made while the clock was ahead counts for nobody yet.
  const isYoung = notBefore.getTime() <= now && now < halfLife;
  return isYoung && names.every(isNamed);
}

/** Of a sealed key it is believed; one that is held in memory is empty at first, and another one after a start. */
function isKeyOf(certificate: string, key: string | undefined): boolean {
  if (key === undefined || key === '') return false;
  return isSealed(key) || new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
}
