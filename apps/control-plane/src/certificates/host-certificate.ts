import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import type { Authorities } from './authorities.js';
import type { Fleet } from '../store/fleet.js';
import { ProblemError } from '../http/index.js';

/**
 * The node id that the other side has proved by a certificate under a CA that counts: its common name is that. A session
 * that is resumed, and a connection that is kept, was judged when it began: whether the certificate is over, and its CA
 * is trusted still, is looked at here.
 */
export function provenNodeId(
  socket: Socket,
  authorities: Pick<Authorities, 'holderOf'>,
): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  const holder = certificate && authorities.holderOf(certificate);
  return holder && holder.notAfter.getTime() > Date.now() ? holder.commonName : undefined;
}

/** The host of the fleet that a request comes from, by a certificate that counts now. Throws 401. */
export function callingHost(
  { raw }: FastifyRequest,
  fleet: Fleet,
  authorities: Authorities,
): string {
  const nodeId = provenNodeId(raw.socket, authorities);
  if (nodeId !== undefined && fleet.whole().nameOf(nodeId) !== undefined) return nodeId;
  const detail = 'this needs the certificate of an enrolled host; renew it (POST /v1/enroll)';
  throw new ProblemError('not-authenticated', { detail });
}
