export { connectRedis, RedisConnection } from './redis.connection.js';
export type { ConnectionCounters } from './redis.connection.js';
export type { RedisAddress, RedisConnectionOptions } from './connection-options.js';
export { DeliveryWriter } from './delivery-writer.js';
export type { Delivery, DeliveryCounters, DeliveryOutcome } from './delivery-writer.js';
export { StateInbox } from './state-inbox.js';
export type { StateInboxCounters, StateInboxOptions } from './state-inbox.js';
export { HostLink } from './host-link.js';
export { EventStreams } from './event-streams.js';
export type { StreamEntry } from './event-streams.js';
export { nodeUserName, nodeUserRules } from './node-user.js';
export type { NodeUser, RedisPart } from './node-user.js';
export { NodeUsers } from './node-users.js';
export type { NodeUserCounts, NodeUserSource } from './node-users.js';
export { OffenceWatch } from './offence-watch.js';
export type { HostOffence, OffenceWatchOptions } from './offence-watch.js';
export { NodeStanding } from './node-standing.js';
export { SentinelWatch } from './sentinel-watch.js';
export type { SentinelStanding, SentinelWatchOptions } from './sentinel-watch.js';
export { RunWatcher } from './run-watcher.js';
export type { RedisRunChange, RunWatcherOptions } from './run-watcher.js';
export { HostwardRedisTransport } from './hostward-redis.transport.js';
export type { HostwardTransportOptions, TransportCounters } from './hostward-redis.transport.js';
export type { SubscriptionCounters } from './subscription.js';
export { MalformedValue, RedisRefused, RedisUnavailable } from './errors.js';
export {
  backoffMs,
  DEFAULT_COMMAND_TIMEOUT_MS,
  DEFAULT_MAX_BACKOFF_MS,
} from './connection-options.js';
export { TlsSession } from './tls-session.js';
export { deferAccept } from './deferred-accept.js';
export { publishCheck } from './publish-check.js';
export { redisVitals } from './redis-vitals.js';
export type { RedisVitals } from './redis-vitals.js';
export { reloadServerCertificate } from './reload-server-certificate.js';
