import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { parseCertificate } from '#pki';

/** The node id that the other side has proved by a certificate under a CA that counts: its common name is that. */
export function provenNodeId(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate && parseCertificate(certificate.raw).commonName;
}
