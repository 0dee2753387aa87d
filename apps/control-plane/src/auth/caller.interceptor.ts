import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Observable } from 'rxjs';
import { asCallerOf } from './caller.js';

/** Handles each request as its caller, so that every read and write below knows for whom it is made. */
@Injectable()
export class CallerInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { raw } = context.switchToHttp().getRequest<FastifyRequest>();
    return new Observable((subscriber) =>
      asCallerOf(raw, () => next.handle().subscribe(subscriber)),
    );
  }
}
