import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { ConfigError } from '../../config/index.js';

/** What `init` is told; the rest it makes itself. */
export interface InitOptions {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** DNS names and addresses under which hosts and operators reach the control plane and Redis. */
  readonly names: readonly string[];
  readonly etcd: string;
  readonly redis: { readonly host: string; readonly port: number };
  /** A Redis of its own for events. */
  readonly redisEvents?: { readonly host: string; readonly port: number };
  /** Where hosts find Redis; without it, under the name by which they reach the control plane. */
  readonly agentRedisHost?: string;
  /** Life of the certificates that are made, at most and by default 24. */
  readonly leafHours?: number;
  /** Where etcd and Redis read their keys: files that who starts them holds open, instead of those in the folder. */
  readonly serverKeys?: { readonly etcd: string; readonly redis: string };
  /** The operator's own authority, instead of one that is made here; taken over at the first start. */
  readonly ca?: { readonly cert: string; readonly key: string };
  /** Holds the passphrase under which the secret files lie; without it, systemd's credential, or none. */
  readonly passphraseFile?: string;
  /** Folder of the packages that hosts may fetch. */
  readonly packagesDir?: string;
  /** The admin token is made anew and the old one counts for nothing, from the next start on. */
  readonly resetAdminToken?: boolean;
  /** Takes the admin token, in the place of the answer. */
  readonly adminTokenFile?: string;
  /** Redis has replicas and Sentinels: files with its password are made for them, in clear. */
  readonly redisReplicas: boolean;
  /** Channel keys in etcd are wrapped under a new key, from the next start on. */
  readonly rotateChannelKeyKey?: boolean;
}

/** Reads the flags of `init`; throws ConfigError. */
export function parseInitOptions(args: readonly string[]): InitOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'data-dir': { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:7443' },
      names: { type: 'string', default: 'localhost,127.0.0.1' },
      etcd: { type: 'string', default: 'https://127.0.0.1:2379' },
      redis: { type: 'string', default: '127.0.0.1:6379' },
      'redis-events': { type: 'string' },
      'agent-redis-host': { type: 'string' },
      'leaf-hours': { type: 'string' },
      'etcd-key': { type: 'string' },
      'redis-key': { type: 'string' },
      'ca-cert': { type: 'string' },
      'ca-key': { type: 'string' },
      'passphrase-file': { type: 'string' },
      packages: { type: 'string' },
      'reset-admin-token': { type: 'boolean', default: false },
      'admin-token-file': { type: 'string' },
      'redis-replicas': { type: 'boolean', default: false },
      'rotate-channel-key-key': { type: 'boolean', default: false },
    },
  });
  const events = values['redis-events'];
  const path = (flag: 'passphrase-file' | 'packages' | 'admin-token-file') =>
    values[flag] === undefined ? undefined : resolve(values[flag]);
  const dataDir = values['data-dir'];
  if (dataDir === undefined) throw new ConfigError('--data-dir', 'missing', 'must name a folder');
  return {
    dataDir: resolve(dataDir),
    listen: hostPort('--listen', values.listen),
    names: names(values.names),
    etcd: values.etcd,
    redis: hostPort('--redis', values.redis),
    redisEvents: events === undefined ? undefined : hostPort('--redis-events', events),
    agentRedisHost: values['agent-redis-host'],
    leafHours: hours(values['leaf-hours']),
    serverKeys: heldKeys(values['etcd-key'], values['redis-key']),
    ca: ownAuthority(values['ca-cert'], values['ca-key']),
    passphraseFile: path('passphrase-file'),
    packagesDir: path('packages'),
    resetAdminToken: values['reset-admin-token'],
    adminTokenFile: path('admin-token-file'),
    redisReplicas: values['redis-replicas'],
    rotateChannelKeyKey: values['rotate-channel-key-key'],
  };
}

function hostPort(flag: string, text: string) {
  const match = /^(\[[0-9a-f:]+\]|[^:\s]+):([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] !== undefined && port <= 65_535)
    return { host: match[1].replace(/^\[|\]$/g, ''), port };
  throw new ConfigError(flag, JSON.stringify(text), 'must be HOST:PORT');
}

function ownAuthority(cert: string | undefined, key: string | undefined): InitOptions['ca'] {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined)
    throw new ConfigError('--ca-cert', 'missing', 'must be given with --ca-key');
  if (key === undefined)
    throw new ConfigError('--ca-key', 'missing', 'must be given with --ca-cert');
  return { cert: resolve(cert), key: resolve(key) };
}

function heldKeys(etcd: string | undefined, redis: string | undefined): InitOptions['serverKeys'] {
  if (etcd === undefined && redis === undefined) return undefined;
  if (etcd !== undefined && redis !== undefined) return { etcd, redis };
  throw new ConfigError('--etcd-key', 'missing', 'must be given with --redis-key, or neither');
}

function hours(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && value <= 24) return value;
  throw new ConfigError('--leaf-hours', JSON.stringify(text), 'must be above 0 and at most 24');
}

function names(text: string): readonly string[] {
  const found = [...new Set(text.split(',').map((name) => name.trim()))].filter(
    (name) => name !== '',
  );
  if (found.length > 0 && found.length <= 64) return found;
  throw new ConfigError(
    '--names',
    JSON.stringify(text),
    'must be 1 to 64 names, separated by commas',
  );
}
