import { MOST_OTHER_NODES, type RedisEndpoint } from '#contracts';

/** Whether what the control plane said, or what was kept of it, says where a Redis is. */
export function isRedisEndpoint(value: unknown): value is RedisEndpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { host, port, others = [] } = value as Partial<Record<string, unknown>>;
  return (
    Number.isInteger(port) &&
    ['string', 'undefined'].includes(typeof host) &&
    Array.isArray(others) &&
    others.length <= MOST_OTHER_NODES &&
    others.every(isAddress)
  );
}

function isAddress(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { host, port } = value as Partial<Record<string, unknown>>;
  return typeof host === 'string' && Number.isInteger(port);
}
