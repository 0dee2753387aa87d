import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { errorMessage } from '../config/error-facts.js';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { addressOf } from '../config/url-address.js';

/** The control plane did not show the CA that was pinned: nothing was sent to it. */
export class CaNotPinned extends Error {
  override readonly name = 'CaNotPinned';
  constructor(url: string, expected: string, seen: readonly string[]) {
    super(
      `${url} does not show the CA with the fingerprint ${expected} (it shows ${seen.join(', ') || 'none'}); nothing was sent. ` +
        'Compare controlPlane.caFingerprint with what `hostward up` printed, and the URL with the machine that printed it.',
    );
  }
}

/** Nobody answered TLS at the URL. */
export class ControlPlaneUnreachable extends Error {
  override readonly name = 'ControlPlaneUnreachable';
  constructor(url: string, cause: unknown) {
    super(`${url} cannot be reached: ${errorMessage(cause)}`, { cause });
  }
}

/** Lower-case hex without colons. */
export function normalFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}

/**
 * The PEM of the CA with this sha256 (of its DER), taken from the chain that the server at `url` shows. The connection
 * is closed before a byte of application data is sent on it; the caller connects anew, trusting this CA only, which
 * is what proves that the server has a key under it.
 */
export async function fetchPinnedCa(
  url: string,
  fingerprint: string,
  timeoutMs: number,
): Promise<string> {
  const expected = normalFingerprint(fingerprint);
  const chain = await peerChain(url, timeoutMs);
  const seen = chain.map((certificate) => normalFingerprint(certificate.fingerprint256));
  const ca = chain[seen.indexOf(expected)];
  if (ca === undefined) throw new CaNotPinned(url, expected, seen);
  return new X509Certificate(ca.raw).toString();
}

async function peerChain(url: string, timeoutMs: number): Promise<DetailedPeerCertificate[]> {
  const socket = openSocket(new URL(url));
  try {
    await secured(socket, timeoutMs);
    return certificatesOf(socket.getPeerCertificate(true));
  } catch (cause) {
    throw new ControlPlaneUnreachable(url, cause);
  } finally {
    socket.destroy();
  }
}

function openSocket(url: URL): TLSSocket {
  const { host, port } = addressOf(url);
  const servername = isIP(host) === 0 ? { servername: host } : {};
  // Not authorised by the system's CAs on purpose: the fingerprint decides, and nothing is sent here.
  return connect({ host, port, rejectUnauthorized: false, ...servername });
}

function secured(socket: TLSSocket, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(timeoutMs, () =>
      reject(new Error(`no TLS handshake within ${timeoutMs} ms`)),
    );
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed during the handshake')));
    socket.once('secureConnect', () => resolve());
  });
}

function certificatesOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let current: DetailedPeerCertificate | undefined = leaf;
  // A root names itself as its issuer; a chain is at most ten long.
  while (current?.raw !== undefined && !chain.includes(current) && chain.length < 10) {
    chain.push(current);
    current = current.issuerCertificate;
  }
  return chain;
}
