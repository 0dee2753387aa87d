import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Authorities } from './authorities.js';
import { Fleet } from '../store/fleet.js';
import { ProblemError } from '../http/index.js';
import { provenNodeId } from './host-certificate.js';
import { revocationText } from '../records/revocation.record.js';

/**
 * Refuses every request over a connection that a revoked host authenticated by its certificate, whatever else it
 * carries. Who shows no certificate, or none of ours, is nobody here and is judged by the other guards.
 */
@Injectable()
export class HostCertificateGuard implements CanActivate {
  constructor(
    private readonly fleet: Fleet,
    private readonly authorities: Authorities,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const { socket } = context.switchToHttp().getRequest<FastifyRequest>().raw;
    const nodeId = provenNodeId(socket, this.authorities);
    const revocation = nodeId === undefined ? undefined : this.fleet.state.revocationOf(nodeId);
    if (!revocation) return true;
    throw new ProblemError('not-permitted', { detail: revocationText(revocation) });
  }
}
