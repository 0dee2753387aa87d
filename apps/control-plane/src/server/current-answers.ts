import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CatchUp } from '../store/catch-up.js';
import { ProblemError, isServedFromMemory } from '../http/index.js';
import { sendProblem } from './http-adapter.js';

const API = '/v1/';
const READS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Every request of the API begins with a fleet in memory that is as new as etcd, so that it does not matter which replica
 * it came to: who may do what, what is there, and what a write is decided on. A replica that lags says 503. Where etcd
 * does not answer, reads go on and their answers say so in `hostward-stale`; a write is refused, since one that finds in
 * memory that there is nothing to do would be answered by what may be long over.
 */
export function answerCurrent(app: NestFastifyApplication): void {
  const catchUp = app.get(CatchUp);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
      // By the route: the router decodes a path, which may be written in many ways.
      if (!request.routeOptions.url?.startsWith(API)) return;
      const currency = await catchUp.wait();
      if (currency === 'current') return;
      if (currency === 'behind') return sendProblem(reply, refusal(BEHIND));
      if (!READS.includes(request.method) && !isServedFromMemory(request))
        return sendProblem(reply, refusal(UNCONFIRMED));
      void reply.header('hostward-stale', SILENT);
    });
}

const SILENT = 'etcd does not answer';
const BEHIND = 'this control plane has not read yet what etcd holds; another one may have';
const UNCONFIRMED = `${SILENT}: nothing was changed, and what is known of the fleet may be old`;

function refusal(detail: string): ProblemError {
  return new ProblemError('unavailable', { detail, headers: { 'retry-after': '2' } });
}
