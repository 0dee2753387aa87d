import { isAbsolute, resolve } from 'node:path';
import { LOG_LEVELS, type LogLevel } from '#observability';
import { parseDocument } from 'yaml';
import { ConfigError } from './config-error.js';
import { Fields } from './fields.js';

/** Files of a TLS client or server; paths are absolute. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A server's certificate and key. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** How agents reach Redis; without a host, the one under which they reached the control plane. */
interface AgentRedis {
  readonly host?: string;
  readonly port: number;
  readonly username: string;
  readonly passwordFile: string;
}

/** What the control plane is started with; every path is absolute. Read once, never changed. */
export interface ServerConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertised: readonly string[];
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly etcd: { readonly hosts: readonly string[]; readonly tls?: TlsFiles };
  readonly redis: {
    readonly host: string;
    readonly port: number;
    readonly tls?: TlsFiles;
    readonly username?: string;
    readonly passwordFile?: string;
    readonly agent: AgentRedis;
    /** Of a Redis on this machine that reads its certificate only when told: the files it is told to read again. */
    readonly server?: PairFiles;
  };
  readonly tls: Required<TlsFiles> & { readonly clients: 'off' | 'optional' };
  readonly keys: {
    readonly caKey: string;
    readonly root: string;
    readonly onlineKey: string;
    readonly epochSecret: string;
  };
  readonly adminTokenHashFile: string;
}

type Resolve = (path: string) => string;

/**
 * Parses the configuration file's text; relative paths are taken from `baseDir`.
 * Throws ConfigError, naming key, value and rule.
 */
export function parseConfig(text: string, baseDir: string): ServerConfig {
  const fields = new Fields(parseYaml(text), '');
  const at: Resolve = (path) => (isAbsolute(path) ? path : resolve(baseDir, path));
  const config: ServerConfig = {
    listen: readListen(fields.section('listen')),
    advertised: fields.texts('advertised'),
    dataDir: at(fields.text('dataDir')),
    logLevel: fields.choice('logLevel', LOG_LEVELS, 'info'),
    etcd: readEtcd(fields.section('etcd'), at),
    redis: readRedis(fields.section('redis'), at),
    tls: readServerTls(fields.section('tls'), at),
    keys: readKeys(fields.section('keys'), at),
    adminTokenHashFile: at(fields.text('adminTokenHashFile')),
  };
  fields.end();
  return config;
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, stringKeys: true });
  const error = document.errors[0];
  if (error) throw new ConfigError('(file)', 'not YAML', error.message, { cause: error });
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

function readTls(fields: Fields | undefined, at: Resolve): TlsFiles | undefined {
  if (!fields) return undefined;
  const cert = fields.optionalText('cert');
  const key = fields.optionalText('key');
  const tls = { ca: at(fields.text('ca')), cert: cert && at(cert), key: key && at(key) };
  fields.end();
  return tls;
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

function readRedis(fields: Fields, at: Resolve): ServerConfig['redis'] {
  const passwordFile = fields.optionalText('passwordFile');
  const redis = {
    host: fields.text('host'),
    port: fields.port('port'),
    tls: readTls(fields.optionalSection('tls'), at),
    username: fields.optionalText('username'),
    passwordFile: passwordFile && at(passwordFile),
    agent: readAgentRedis(fields.section('agent'), at),
    server: readPair(fields.optionalSection('server'), at),
  };
  fields.end();
  return redis;
}

function readPair(fields: Fields | undefined, at: Resolve): PairFiles | undefined {
  if (!fields) return undefined;
  const pair = { cert: at(fields.text('cert')), key: at(fields.text('key')) };
  fields.end();
  return pair;
}

function readAgentRedis(fields: Fields, at: Resolve): AgentRedis {
  const agent = {
    host: fields.optionalText('host'),
    port: fields.port('port'),
    username: fields.text('username'),
    passwordFile: at(fields.text('passwordFile')),
  };
  fields.end();
  return agent;
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
  const keys = {
    caKey: at(fields.text('caKey')),
    root: at(fields.text('root')),
    onlineKey: at(fields.text('onlineKey')),
    epochSecret: at(fields.text('epochSecret')),
  };
  fields.end();
  return keys;
}
