export { connectRedis, RedisConnection } from './redis.connection.js';
export type { ConnectionCounters } from './redis.connection.js';
export type { RedisConnectionOptions } from './connection-options.js';
export { DeliveryWriter } from './delivery-writer.js';
export type { Delivery, DeliveryCounters, DeliveryOutcome } from './delivery-writer.js';
export { StateInbox } from './state-inbox.js';
export type { StateInboxCounters, StateInboxOptions } from './state-inbox.js';
export { HostLink } from './host-link.js';
export { EventStreams } from './event-streams.js';
export type { StreamEntry } from './event-streams.js';
export { RunWatcher } from './run-watcher.js';
export type { RedisRunChange, RunWatcherOptions } from './run-watcher.js';
export { HostwardRedisTransport } from './hostward-redis.transport.js';
export type { HostwardTransportOptions, TransportCounters } from './hostward-redis.transport.js';
export type { SubscriptionCounters } from './subscription.js';
export {
  MalformedValue,
  RedisOutOfMemory,
  RedisRefused,
  RedisStoreError,
  RedisUnavailable,
} from './errors.js';
export { reloadServerCertificate } from './reload-server-certificate.js';
