import { isAbsolute, resolve } from 'node:path';
import { LOG_LEVELS, type LogLevel } from '#observability';
import { isMap, parseDocument, type Document } from 'yaml';
import { ConfigError } from './config-error.js';
import { inTermsOf, overlayEnvironment } from './environment.js';
import { Fields } from './fields.js';
import { readOidc, type OidcConfig } from './oidc.js';
import { readRedis, type RedisConfig } from './redis.js';
import { readStore, type StoreConfig } from './store.js';
import { readTls, type Resolve, type TlsClientFiles, type TlsFiles } from './tls-files.js';

/** A server's certificate and key. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** What the control plane is started with; every path is absolute. Read once, never changed. */
export interface ServerConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertised: readonly string[];
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly etcd: { readonly hosts: readonly string[]; readonly tls?: TlsClientFiles };
  readonly redis: RedisConfig;
  readonly store: StoreConfig;
  readonly tls: Required<TlsFiles> & { readonly clients: 'off' | 'optional' };
  readonly keys: {
    /** The authority that signs certificates of hosts; `tls.ca` holds all that are trusted, this one too. */
    readonly caCertificate: string;
    readonly caKey: string;
    readonly root: string;
    readonly onlineKey: string;
    readonly epochSecret: string;
    /** Keys under which channel keys lie in etcd; the first wraps, all open. */
    readonly channelKeyKeys: string;
    /** Holds the passphrase under which secret files lie, where they do and systemd does not hand it over. */
    readonly passphraseFile?: string;
  };
  readonly adminTokenHashFile: string;
  /** Folder of the packages that hosts may fetch; absent: there is none. */
  readonly packagesDir?: string;
  /** Absent: nobody logs in by an identity provider. */
  readonly oidc?: OidcConfig;
}

/**
 * Parses the configuration file's text, with what the environment puts above it; relative paths are taken from
 * `baseDir`. Throws ConfigError, naming key, value and rule, and the variable where it came from one.
 */
export function parseConfig(
  text: string,
  baseDir: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): ServerConfig {
  const document = parseYaml(text);
  const sources = overlayEnvironment(document, environment);
  try {
    return readAll(new Fields(plain(document), ''), baseDir);
  } catch (error) {
    throw inTermsOf(sources, error);
  }
}

function readAll(fields: Fields, baseDir: string): ServerConfig {
  const at: Resolve = (path) => (isAbsolute(path) ? path : resolve(baseDir, path));
  const packagesDir = fields.optionalText('packagesDir');
  const config: ServerConfig = {
    listen: readListen(fields.section('listen')),
    advertised: fields.texts('advertised'),
    dataDir: at(fields.text('dataDir')),
    logLevel: fields.choice('logLevel', LOG_LEVELS, 'info'),
    etcd: readEtcd(fields.section('etcd'), at),
    redis: readRedis(fields.section('redis'), at),
    store: readStore(fields.optionalSection('store'), at),
    tls: readServerTls(fields.section('tls'), at),
    keys: readKeys(fields.section('keys'), at),
    adminTokenHashFile: at(fields.text('adminTokenHashFile')),
    packagesDir: packagesDir && at(packagesDir),
    oidc: readOidc(fields.optionalSection('oidc'), at),
  };
  fields.end();
  checkApart(config);
  return config;
}

/** What is trusted is rewritten when the authority is replaced. */
function checkApart({ tls, keys }: ServerConfig): void {
  if (tls.ca !== keys.caCertificate) return;
  const rule = 'must be another file than tls.ca, which is rewritten with all that are trusted';
  throw new ConfigError('keys.caCertificate', keys.caCertificate, rule);
}

function parseYaml(text: string): Document {
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, stringKeys: true });
  const error = document.errors[0];
  if (error) throw new ConfigError('(file)', 'not YAML', error.message, { cause: error });
  if (document.contents !== null && !isMap(document.contents))
    throw new ConfigError('(file)', 'no mapping', 'must be a mapping');
  return document;
}

function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 }) as unknown;
  } catch (cause) {
    throw new ConfigError('(file)', 'not plain', 'must not use anchors and aliases', { cause });
  }
}

function readListen(fields: Fields): ServerConfig['listen'] {
  const listen = { host: fields.text('host'), port: fields.port('port') };
  fields.end();
  return listen;
}

function readEtcd(fields: Fields, at: Resolve): ServerConfig['etcd'] {
  const etcd = { hosts: fields.texts('hosts'), tls: readTls(fields.optionalSection('tls'), at) };
  for (const host of etcd.hosts) {
    if (/^https?:\/\/[^/\s]+$/.test(host)) continue;
    throw new ConfigError('etcd.hosts', JSON.stringify(host), 'must be http(s)://host:port');
  }
  fields.end();
  return etcd;
}

function readServerTls(fields: Fields, at: Resolve): ServerConfig['tls'] {
  const tls = {
    ca: at(fields.text('ca')),
    cert: at(fields.text('cert')),
    key: at(fields.text('key')),
    clients: fields.choice('clients', ['off', 'optional'], 'optional'),
  };
  fields.end();
  return tls;
}

function readKeys(fields: Fields, at: Resolve): ServerConfig['keys'] {
  const passphraseFile = fields.optionalText('passphraseFile');
  const keys = {
    caCertificate: at(fields.text('caCertificate')),
    caKey: at(fields.text('caKey')),
    root: at(fields.text('root')),
    onlineKey: at(fields.text('onlineKey')),
    epochSecret: at(fields.text('epochSecret')),
    channelKeyKeys: at(fields.text('channelKeyKeys')),
    passphraseFile: passphraseFile && at(passphraseFile),
  };
  fields.end();
  return keys;
}
