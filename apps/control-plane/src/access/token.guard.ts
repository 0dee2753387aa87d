import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../http/index.js';
import { Metrics } from '../health/metrics.js';
import { AdminToken } from './admin-token.js';
import { Public } from './public.decorator.js';
import { bearerOf, tokenMatches } from './token-hash.js';

/** Denies every route without the admin's token, except those marked `Public` with the reason why. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly admin: AdminToken,
    private readonly metrics: Metrics,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const marks = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride(Public, marks) !== undefined) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerOf(request.headers.authorization);
    if (token !== undefined && tokenMatches(token, this.admin.hash)) return true;
    // Failed logins are counted, not written one by one: nobody may fill the disk by guessing.
    this.metrics.loginFailures.inc();
    throw new ProblemError('not-authenticated', {
      detail: 'send Authorization: Bearer with the admin token that `hostward up` printed',
      headers: { 'www-authenticate': 'Bearer realm="hostward"' },
    });
  }
}
