import { Catch, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Log } from '#observability';
import { toProblem, toProblemError } from './to-problem.js';

/** The only place where an error becomes an answer: always a problem document, logged if it is our fault. */
@Catch()
@Injectable()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = toProblemError(error);
    if (problem.status >= 500) {
      this.log.error('request failed', {
        method: request.method,
        url: request.url.slice(0, 200),
        status: problem.status,
        error,
      });
    }
    // A stream that has begun cannot become a problem document any more.
    if (reply.sent || reply.raw.headersSent) return;
    void reply
      .code(problem.status)
      .headers(problem.headers)
      .type('application/problem+json')
      .send(toProblem(problem));
  }
}
