import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
} from './x509.js';
import { type KeyAndCertificate, issueUnder } from './issue.js';
import { readRequest } from './request.js';
import { generateTlsKey, privateKeyToPem } from './tls-key.js';
import { MAX_LEAF_HOURS, leafValidity } from './validity.js';

const DNS_NAME =
  /^(?=.{1,253}$)(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const NODE_ID = /^[0-9a-f]{64}$/;

interface LeafOptions {
  readonly authority: KeyAndCertificate;
  /** Life in hours, at most and by default 24. */
  readonly hours?: number;
  readonly now?: Date;
}

/** A server's certificate and key. Names are DNS names, `ips` literal addresses; at least one of both. */
export async function issueServer(
  options: LeafOptions & {
    readonly names: readonly string[];
    readonly ips: readonly string[];
    /** etcd's gateway and a Redis replica show their server certificate as clients too. */
    readonly alsoClient?: boolean;
  },
): Promise<KeyAndCertificate> {
  const alternativeNames = serverNames(options.names, options.ips);
  const usages = [
    ExtendedKeyUsage.serverAuth,
    ...(options.alsoClient ? [ExtendedKeyUsage.clientAuth] : []),
  ];
  const commonName = (options.names[0] ?? options.ips[0] ?? '').slice(0, 64);
  return issuePair(options, commonName, usages, alternativeNames);
}

/** A client certificate and key for a program of ours that speaks to etcd or Redis, under a DNS name of its own. */
export async function issueServiceClient(
  options: LeafOptions & { readonly name: string },
): Promise<KeyAndCertificate> {
  const usages = [ExtendedKeyUsage.clientAuth];
  return issuePair(options, options.name, usages, serverNames([options.name], []));
}

/**
 * A host's client certificate for the key in its request, PEM. Nothing else of the request is used: the subject is the
 * node id. Refuses a request that its key has not signed and any key but P-256.
 */
export async function issueClient(
  options: LeafOptions & { readonly csrPem: string; readonly nodeId: string },
): Promise<string> {
  if (!NODE_ID.test(options.nodeId)) throw new RangeError('a node id is 64 lower-case hex digits');
  const publicKey = await readRequest(options.csrPem);
  return issueUnder(options.authority, {
    commonName: options.nodeId,
    publicKey,
    validity: leafValidity(options.now ?? new Date(), options.hours ?? MAX_LEAF_HOURS),
    extensions: leafExtensions([ExtendedKeyUsage.clientAuth]),
  });
}

async function issuePair(
  options: LeafOptions,
  commonName: string,
  usages: readonly ExtendedKeyUsage[],
  alternativeNames?: JsonGeneralNames,
): Promise<KeyAndCertificate> {
  const { publicKey, privateKey } = await generateTlsKey();
  const certificatePem = await issueUnder(options.authority, {
    commonName,
    publicKey,
    validity: leafValidity(options.now ?? new Date(), options.hours ?? MAX_LEAF_HOURS),
    extensions: leafExtensions(usages),
    alternativeNames,
  });
  return { certificatePem, privateKeyPem: await privateKeyToPem(privateKey) };
}

function leafExtensions(usages: readonly ExtendedKeyUsage[]): readonly Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([...usages]),
  ];
}

function serverNames(names: readonly string[], ips: readonly string[]): JsonGeneralNames {
  for (const name of names)
    if (!DNS_NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} is not a DNS name`);
  for (const ip of ips)
    if (isIP(ip) === 0) throw new RangeError(`${JSON.stringify(ip)} is not an IP address`);
  if (names.length + ips.length === 0)
    throw new RangeError('a server certificate needs a name or an address');
  return [
    ...names.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((ip) => ({ type: 'ip' as const, value: spelledOut(ip) })),
  ];
}

/** The encoder does not know an IPv6 address that ends as an IPv4 one does. */
function spelledOut(ip: string): string {
  return isIP(ip) === 6 ? new URL(`https://[${ip}]`).hostname.slice(1, -1) : ip;
}
