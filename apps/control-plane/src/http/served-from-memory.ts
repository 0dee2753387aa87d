import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';

const MARK = 'servedFromMemory';

/**
 * A route that is no GET and goes on while etcd does not answer: for what hosts ask that changes nothing, or is decided by
 * etcd itself where it changes something. Not beside `Needs`: of a route's marks in Fastify the last one counts.
 */
export const ServedFromMemory = () => RouteConfig({ [MARK]: true });

/** Whether the request's route is one of those. */
export function isServedFromMemory({ routeOptions }: FastifyRequest): boolean {
  return MARK in routeOptions.config;
}
