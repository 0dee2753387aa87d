import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CatchUp } from '../fleet/catch-up.js';
import { ProblemError } from '../http/index.js';
import { sendProblem } from './http-adapter.js';

const API = '/v1/';

/**
 * Every request of the API begins with a fleet in memory that is as new as etcd, so that it does not matter which replica
 * it came to: who may do what, what is there, and what a write is decided on. A replica that lags says 503; where etcd
 * does not answer, reads go on and their answers say so in `hostward-stale`.
 */
export function answerCurrent(app: NestFastifyApplication): void {
  const catchUp = app.get(CatchUp, { strict: false });
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
      if (!request.url.startsWith(API)) return;
      const currency = await catchUp.wait();
      if (currency === 'behind') return sendProblem(reply, behind());
      if (currency === 'unconfirmed') void reply.header('hostward-stale', 'etcd does not answer');
    });
}

function behind(): ProblemError {
  return new ProblemError('unavailable', {
    detail: 'this control plane has not read yet what etcd holds; another one may have',
    headers: { 'retry-after': '2' },
  });
}
