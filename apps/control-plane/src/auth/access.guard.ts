import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Clock } from '../http/clock.js';
import { Metrics } from '../health/metrics.js';
import { ProblemError, notFound } from '../http/index.js';
import { networkOf } from '../http/source-network.js';
import { Authenticator } from './authenticator.js';
import { setCaller, type Caller } from './caller.js';
import { NeedMark, needsCaller, type Need, type ScopedKind } from './needs.decorator.js';
import { PublicMark } from './public.decorator.js';
import { RateLimit } from '../http/rate-limit.js';
import { rolesWith } from './permission.js';
import { ScopedNames } from './scoped-names.js';
import { bearerOf } from './token-hash.js';

/** Denies every route unless its caller has the permission that it declares; one that declares none is denied to all. */
@Injectable()
export class AccessGuard implements CanActivate {
  /** Wrong tokens of one source; right ones are never counted. */
  readonly #wrong = new RateLimit({ burst: 200, refillMs: 500, maxCallers: 10_000 });

  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
    private readonly names: ScopedNames,
    private readonly metrics: Metrics,
    private readonly clock: Clock,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const handler = context.getHandler();
    if (this.reflector.get(PublicMark, handler) !== undefined) {
      setCaller(request.raw, { source: request.ip });
      return true;
    }
    const caller = this.#authenticated(request);
    setCaller(request.raw, caller);
    const need = this.reflector.get(NeedMark, handler) as Need | undefined;
    if (need === undefined)
      throw new ProblemError('not-permitted', { detail: 'this route declares no permission' });
    checkPermissions(caller, need);
    if (need.names !== undefined) this.#checkSeen(caller, need.names, request);
    return true;
  }

  /** Who sends a body is asked before it is taken too: a stranger's would be held until all of it is there. */
  askBeforeBodies(app: NestFastifyApplication): void {
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done: () => void) => {
        if (hasBody(request) && needsCaller(request.routeOptions.config))
          this.#authenticated(request);
        done();
      });
  }

  #authenticated(request: FastifyRequest): Caller {
    const token = bearerOf(request.headers.authorization);
    const caller = token === undefined ? undefined : this.authenticator.callerOf(token, request.ip);
    if (caller) return caller;
    this.metrics.loginFailures.inc();
    this.authenticator.failed(request.ip);
    const waitMs = this.#wrong.take(networkOf(request.ip), this.clock.nowMs());
    if (waitMs > 0) throw tooManyAttempts(waitMs);
    throw new ProblemError('not-authenticated', {
      detail:
        'send Authorization: Bearer with the admin token that `hostward up` printed, an API token, or that of `hostward login`',
      headers: { 'www-authenticate': 'Bearer realm="hostward"' },
    });
  }

  /** What lies outside the scope is not there, also for routes that read it past the fleet. */
  #checkSeen({ scope }: Caller, kind: ScopedKind, request: FastifyRequest): void {
    if (scope === undefined) return;
    const name = String((request.params as Readonly<Record<string, unknown>>)['name']);
    if (this.names.isVisible(kind, name, scope)) return;
    if (request.method === 'GET' || request.method === 'HEAD') throw notFound(kind, name);
    // A name that is free may be taken; of one that is not nothing is told, not even its revision.
    if (this.names.exists(kind, name))
      throw new ProblemError('not-permitted', { detail: `${kind} ${name} is outside your scope` });
  }
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function checkPermissions(caller: Caller, need: Need): void {
  if (need.permissions.some((permission) => caller.permissions.has(permission))) return;
  const roles = [...new Set(need.permissions.flatMap(rolesWith))].join(' or ');
  const scoped = caller.scope === undefined ? '' : `; yours is scoped to ${caller.scope.text}`;
  throw new ProblemError('not-permitted', {
    detail: `this needs the permission ${need.permissions.join(' or ')}, which the role ${roles} has${scoped}`,
  });
}

/** 429 with the time after which a try counts again. */
export function tooManyAttempts(waitMs: number): ProblemError {
  return new ProblemError('too-many-attempts', {
    detail: 'too many wrong secrets or tokens from here',
    headers: { 'retry-after': String(Math.ceil(waitMs / 1_000)) },
  });
}
