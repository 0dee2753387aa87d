import { isIP } from 'node:net';
import {
  createAuthority,
  issueServer,
  issueServiceClient,
  parseCertificate,
  type KeyAndCertificate,
} from '#pki';
import { readIfThere, writePrivate } from './private-file.js';
import type { Layout } from './layout.js';

const CA_DAYS = 3_650;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** The authority of this installation: made once, read ever after. */
export async function ensureAuthority({ ca, caKey }: Layout): Promise<KeyAndCertificate> {
  const certificatePem = readIfThere(ca);
  const privateKeyPem = readIfThere(caKey);
  if (certificatePem !== undefined && privateKeyPem !== undefined)
    return { certificatePem, privateKeyPem };
  const made = await createAuthority({ name: 'Hostward CA', days: CA_DAYS });
  // The key first: a certificate without its key would be taken for a whole authority.
  writePrivate(caKey, made.privateKeyPem);
  writePrivate(ca, made.certificatePem);
  return made;
}

/**
 * Certificates of the servers and of the control plane as a client; those whose life is half over or that are of other
 * names are made anew. Run it again at intervals: programs that run take the new ones in (ADR-0004).
 */
export async function ensureLeaves(
  files: Layout,
  authority: KeyAndCertificate,
  names: readonly string[],
  hours?: number,
): Promise<void> {
  const all = [...new Set([...names, 'localhost', '127.0.0.1'])];
  const dns = all.filter((name) => isIP(name) === 0);
  const ips = all.filter((name) => isIP(name) !== 0);
  const server = () => issueServer({ authority, names: dns, ips, hours, alsoClient: true });
  for (const pair of [files.controlPlane, files.etcd, files.redis]) {
    if (!isGood(pair, [...dns, ...ips])) write(pair, await server(), authority);
  }
  if (!isGood(files.client, [])) {
    const client = await issueServiceClient({ authority, name: 'control-plane', hours });
    write(files.client, client, authority);
  }
}

/** The chain goes with the leaf, so that a host can compare the authority with the fingerprint it was given. */
function write(pair: Pair, made: KeyAndCertificate, authority: KeyAndCertificate): void {
  writePrivate(pair.key, made.privateKeyPem);
  writePrivate(pair.cert, `${made.certificatePem.trimEnd()}\n${authority.certificatePem}`);
}

function isGood(pair: Pair, names: readonly string[]): boolean {
  const certificate = readIfThere(pair.cert);
  if (certificate === undefined || readIfThere(pair.key) === undefined) return false;
  const { notBefore, notAfter, alternativeNames } = parseCertificate(certificate);
  const halfLife = (notBefore.getTime() + notAfter.getTime()) / 2;
  const listed = alternativeNames.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''));
  return Date.now() < halfLife && names.every((name) => isIP(name) === 6 || listed.includes(name));
}
