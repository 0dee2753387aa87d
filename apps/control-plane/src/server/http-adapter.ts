import type { SecureContextOptions } from 'node:tls';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { needsCaller } from '../auth/needs.decorator.js';
import {
  MAX_STRANGERS_VALUES,
  isFewJson,
  toProblem,
  toProblemError,
  unreadable,
} from '../http/index.js';
import type { Metrics } from '../health/metrics.js';

/** What a server of ours is made from. */
export interface HttpOptions {
  readonly tls: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };
  readonly clients: 'off' | 'optional';
}

/** Of callers whom we know. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Of everybody else: credentials and a few names. */
const MAX_STRANGERS_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 15_000;
/** Node looks for requests that are over their time as often; its own 30 s would double that time. */
const LOOK_FOR_SLOW_MS = 2_000;
const MAX_PARAMETER_CHARS = 300;

/** For so long a client may go on with its TLS session: hosts come every ten minutes to every hour. */
const SESSION_SECONDS = 12 * 3_600;

/** Node takes the command line by itself: a replica that is started otherwise would resume no session of another one. */
const SESSION_ID_CONTEXT = 'hostward control plane';

/** What every TLS connection to us is made with, also after a new certificate was taken in. */
export function secureContext({ cert, key, ca }: HttpOptions['tls']): SecureContextOptions {
  const sessions = { sessionTimeout: SESSION_SECONDS, sessionIdContext: SESSION_ID_CONTEXT };
  return { cert, key, ca, minVersion: 'TLSv1.3', ...sessions };
}

/** Fastify over TLS 1.3; bodies are bounded and stay text until a pipe reads them. */
export function httpAdapter({ tls, clients }: HttpOptions, metrics: Metrics): FastifyAdapter {
  const adapter = new FastifyAdapter({
    https: {
      ...secureContext(tls),
      requestCert: clients === 'optional',
      // A certificate is welcome, not needed: before it enrols a host has none.
      rejectUnauthorized: false,
      connectionsCheckingInterval: LOOK_FOR_SLOW_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
    },
    bodyLimit: MAX_STRANGERS_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    frameworkErrors: answerProblem,
    routerOptions: { maxParamLength: MAX_PARAMETER_CHARS },
  });
  takeMoreFromCallers(adapter.getInstance());
  keepBodiesAsText(adapter.getInstance());
  measure(adapter.getInstance(), metrics);
  return adapter;
}

/** The router refuses a malformed URL before Nest sees it: it gets a problem document all the same. */
function answerProblem(error: Error, _request: FastifyRequest, reply: FastifyReply): void {
  void sendProblem(reply, error);
}

/** Answers outside of Nest, whose filter does the same. */
export function sendProblem(reply: FastifyReply, error: Error): FastifyReply {
  const known = toProblemError(error);
  const problem = toProblem(known);
  return reply
    .code(problem.status)
    .headers(known.headers)
    .type('application/problem+json')
    .send(JSON.stringify(problem));
}

/** Documents come from callers, whom the guard has asked who they are before it takes a body. */
function takeMoreFromCallers(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    if (needsCaller(route.config)) route.bodyLimit = MAX_BODY_BYTES;
  });
}

/** Policies are parsed with their lines and DTOs by the BodyPipe; nothing may turn a body into objects before. */
function keepBodiesAsText(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const types = [
    'application/json',
    'application/yaml',
    'application/x-yaml',
    'text/yaml',
    'text/x-yaml',
    'text/plain',
  ];
  fastify.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body, done) => {
    const text = textOf(request, body);
    if (typeof text === 'string') done(null, text);
    else done(text, undefined);
  });
}

/** Of a stranger nothing is parsed that would hold everybody else up; where there is no route nothing is parsed. */
function textOf(request: FastifyRequest, body: string | Buffer): string | Error {
  const text = decode(body);
  const isStranger = !request.is404 && !needsCaller(request.routeOptions.config);
  if (!isStranger || typeof text !== 'string' || isFewJson(text)) return text;
  return unreadable(`send JSON of at most ${MAX_STRANGERS_VALUES} values`);
}

/** Bytes that are no UTF-8 would be silently replaced, and then signed: they are refused. */
function decode(body: string | Buffer): string | Error {
  if (typeof body === 'string') return body;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return Object.assign(new Error('the body is not UTF-8'), { statusCode: 400 });
  }
}

function measure(fastify: FastifyInstance, metrics: Metrics): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const { method } = request;
    metrics.httpRequests.inc({ method, route, status: String(reply.statusCode) });
    metrics.httpSeconds.observe({ route }, reply.elapsedTime / 1_000);
    done();
  });
}
