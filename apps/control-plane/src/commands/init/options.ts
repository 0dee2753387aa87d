import { Command } from 'commander';
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

/** Flags of `init`, as commander has them. */
export interface InitFlags {
  readonly dataDir: string;
  readonly listen: string;
  readonly names: string;
  readonly etcd: string;
  readonly redis: string;
  readonly redisEvents?: string;
  readonly agentRedisHost?: string;
  readonly leafHours?: string;
  readonly etcdKey?: string;
  readonly redisKey?: string;
  readonly caCert?: string;
  readonly caKey?: string;
  readonly passphraseFile?: string;
  readonly packages?: string;
  readonly resetAdminToken?: boolean;
  readonly adminTokenFile?: string;
  readonly redisReplicas?: boolean;
  readonly rotateChannelKeyKey?: boolean;
}

/** The subcommand `init` with its flags, and nothing that it does yet. */
export function initCommand(): Command {
  return new Command('init')
    .description(
      'Make keys, certificates and the configuration where they are missing. Prints a JSON object.',
    )
    .requiredOption('--data-dir <folder>', 'where everything of the control plane lies')
    .option('--listen <host:port>', 'where the control plane listens', '127.0.0.1:7443')
    .option('--names <a,b>', 'names of the control plane for others', 'localhost,127.0.0.1')
    .option('--etcd <url>', 'where etcd listens', 'https://127.0.0.1:2379')
    .option('--redis <host:port>', 'where Redis listens', '127.0.0.1:6379')
    .option('--redis-events <host:port>', 'a second Redis, for events')
    .option('--agent-redis-host <host>', 'where hosts find Redis')
    .option('--redis-replicas', 'make password files for Redis replicas and Sentinels')
    .option('--leaf-hours <hours>', 'life of certificates, at most 24')
    .option('--etcd-key <file>', 'where etcd reads its key')
    .option('--redis-key <file>', 'where Redis reads its key')
    .option('--ca-cert <file>', 'certificate of your own authority')
    .option('--ca-key <file>', 'key of your own authority')
    .option('--passphrase-file <file>', 'encrypt the keys under this passphrase')
    .option('--admin-token-file <file>', 'write the admin token there, not in the answer')
    .option('--reset-admin-token', 'make the admin token anew')
    .option('--packages <folder>', 'packages that hosts may fetch')
    .option('--rotate-channel-key-key', 'wrap channel keys under a new key from the next start on');
}

/** Reads the flags of `init`. Throws ConfigError, and commander's error for a flag that it does not have. */
export function parseInitOptions(args: readonly string[]): InitOptions {
  return readInitOptions(
    initCommand()
      .exitOverride()
      .parse([...args], { from: 'user' })
      .opts(),
  );
}

/** Reads what commander has parsed. Throws ConfigError. */
export function readInitOptions(flags: InitFlags): InitOptions {
  const path = (file: string | undefined) => (file === undefined ? undefined : resolve(file));
  const { redisEvents } = flags;
  return {
    dataDir: resolve(flags.dataDir),
    listen: hostPort('--listen', flags.listen),
    names: names(flags.names),
    etcd: flags.etcd,
    redis: hostPort('--redis', flags.redis),
    redisEvents: redisEvents === undefined ? undefined : hostPort('--redis-events', redisEvents),
    agentRedisHost: flags.agentRedisHost,
    leafHours: hours(flags.leafHours),
    serverKeys: heldKeys(flags.etcdKey, flags.redisKey),
    ca: ownAuthority(flags.caCert, flags.caKey),
    passphraseFile: path(flags.passphraseFile),
    packagesDir: path(flags.packages),
    resetAdminToken: flags.resetAdminToken ?? false,
    adminTokenFile: path(flags.adminTokenFile),
    redisReplicas: flags.redisReplicas ?? false,
    rotateChannelKeyKey: flags.rotateChannelKeyKey ?? false,
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
