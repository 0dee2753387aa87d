import { isIP } from 'node:net';
import {
  createAuthority,
  issueServer,
  issueServiceClient,
  parseCertificate,
  type KeyAndCertificate,
} from '#pki';
import type { SecretFiles } from '../vault/secret-files.js';
import { readIfThere, writePrivate } from './private-file.js';
import type { Layout } from './layout.js';

const CA_DAYS = 3_650;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** The authority of this installation: made once, read ever after. */
export async function ensureAuthority(
  { ca, caKey }: Layout,
  secrets: SecretFiles,
): Promise<KeyAndCertificate> {
  const certificatePem = readIfThere(ca);
  const privateKeyPem = secrets.readIfThere(caKey);
  if (certificatePem !== undefined && privateKeyPem !== undefined)
    return { certificatePem, privateKeyPem };
  const made = await createAuthority({ name: 'Hostward CA', days: CA_DAYS });
  // The key first: a certificate without its key would be taken for a whole authority.
  secrets.write(caKey, made.privateKeyPem);
  writePrivate(ca, made.certificatePem);
  return made;
}

/**
 * The name that a client certificate must have for etcd: those of hosts are of the same authority and have none. etcd's
 * own has it too, since its gateway is its client.
 */
const ETCD_CLIENT = 'control-plane';

/**
 * Certificates of the servers and of the control plane as a client; those whose life is half over or that are of other
 * names are made anew. Run it again at intervals: programs that run take the new ones in (ADR-0004).
 */
export async function ensureLeaves(
  files: Layout,
  authority: KeyAndCertificate,
  names: readonly string[],
  { secrets, hours }: { readonly secrets: SecretFiles; readonly hours?: number },
): Promise<void> {
  const all = [...new Set([...names, 'localhost', '127.0.0.1'])];
  const dns = all.filter((name) => isIP(name) === 0);
  const ips = all.filter((name) => isIP(name) !== 0);
  const server = (more: readonly string[]) =>
    issueServer({ authority, names: [...dns, ...more], ips, hours, alsoClient: true });
  // etcd and Redis read their keys themselves, so these lie in clear.
  const clear = { write: writePrivate };
  for (const [pair, keyFiles, more] of [
    [files.controlPlane, secrets, []],
    [files.etcd, clear, [ETCD_CLIENT]],
    [files.redis, clear, []],
  ] as const) {
    if (!isGood(pair, [...dns, ...ips, ...more]))
      write(pair, await server(more), authority, keyFiles);
  }
  if (!isGood(files.client, [ETCD_CLIENT])) {
    const client = await issueServiceClient({ authority, name: ETCD_CLIENT, hours });
    write(files.client, client, authority, secrets);
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

function isGood(pair: Pair, names: readonly string[]): boolean {
  const certificate = readIfThere(pair.cert);
  if (certificate === undefined || readIfThere(pair.key) === undefined) return false;
  const { notBefore, notAfter, alternativeNames } = parseCertificate(certificate);
  const halfLife = (notBefore.getTime() + notAfter.getTime()) / 2;
  const listed = alternativeNames.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''));
  return Date.now() < halfLife && names.every((name) => isIP(name) === 6 || listed.includes(name));
}
