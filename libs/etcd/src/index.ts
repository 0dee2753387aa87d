export { EtcdStore } from './etcd.store.js';
export { LeasedKey } from './leased-key.js';
export { PrefixWatch } from './prefix-watch.js';
export { etcdKeys } from './key-layout.js';
export { EtcdOutOfSpace, EtcdUnavailable, TransactionTooLarge, ValueTooLarge } from './errors.js';
export type { WriteOutcome } from './errors.js';
export type {
  Change,
  Condition,
  EtcdCredentials,
  EtcdStatus,
  EtcdStoreOptions,
  KeyValue,
  Listing,
  ListPage,
  Transaction,
  TransactionResult,
  WatchHealth,
  WatchMessage,
  WatchSnapshot,
  WatchTimings,
  Write,
} from './store-types.js';
