import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadSigner, trustRoot } from '#bundle';
import { certificatesIn, fingerprint } from '#pki';
import { AgentEndpoints } from './agent-endpoints.js';
import { ConfigError } from './config-error.js';
import type { ServerConfig } from './config.js';
import type { StoreConfig } from './store.js';
import type { TlsClientFiles } from './tls-files.js';
import { readIfThere, writePrivate } from './private-file.js';
import { KeyEncryptionKeys } from '../records/key-encryption-keys.js';
import { SecretFiles } from './secret-files.js';
import { type RootFile, Trust } from './trust.js';

/** PEM of a TLS client. */
interface TlsClient {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

/** How to log in to Redis, or to a Sentinel. */
interface RedisClient {
  readonly tls?: TlsClient;
  readonly password?: string;
}

/** Everything that the files of a configuration hold, read and checked once. */
export interface Material {
  /** How secret files are read that are replaced while it runs. */
  readonly secrets: SecretFiles;
  readonly trust: Trust;
  readonly adminTokenHash: string;
  readonly server: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  readonly etcd?: TlsClient;
  readonly redis: RedisClient & { readonly sentinel?: RedisClient };
  readonly agentRedis: AgentEndpoints;
  /** Absent where alerts and audit log lie in files. */
  readonly postgres?: { readonly password: () => string; readonly ca?: string };
  /** PEM of the identity provider's CA, where it has one of its own. */
  readonly oidcCa?: string;
}

/** Reads all files. Throws ConfigError, naming key, path and rule; a secret that others may read is refused. */
export function loadMaterial(config: ServerConfig): Material {
  const { keys, redis, etcd } = config;
  const secrets = SecretFiles.open(dirname(keys.root), keys.passphraseFile);
  return {
    secrets,
    trust: loadTrust(config, secrets),
    adminTokenHash: loadAdminTokenHash(config.adminTokenHashFile),
    server: loadServer(config.tls, secrets),
    etcd: etcd.tls && loadClient('etcd.tls', etcd.tls, secrets),
    redis: {
      ...loadRedis('redis', redis, secrets),
      sentinel: redis.sentinel && loadRedis('redis.sentinel', redis.sentinel, secrets),
    },
    agentRedis: new AgentEndpoints(redis),
    postgres: loadPostgres(config.store, secrets),
    oidcCa: config.oidc?.ca && loadCa('oidc.ca', config.oidc.ca),
  };
}

function loadTrust({ keys }: ServerConfig, secrets: SecretFiles): Trust {
  const root = checked('keys.root', keys.root, () =>
    trustRoot(JSON.parse(readFile('keys.root', keys.root).toString('utf8')) as unknown),
  );
  const online = checked('keys.onlineKey', keys.onlineKey, () =>
    loadSigner(readText('keys.onlineKey', keys.onlineKey, secrets)),
  );
  const epochSecret = Buffer.from(
    readText('keys.epochSecret', keys.epochSecret, secrets),
    'base64',
  );
  if (epochSecret.length !== 32) {
    throw new ConfigError('keys.epochSecret', keys.epochSecret, 'must hold 32 bytes in base64');
  }
  const keks = checked('keys.channelKeyKeys', keys.channelKeyKeys, () =>
    KeyEncryptionKeys.parse(readText('keys.channelKeyKeys', keys.channelKeyKeys, secrets)),
  );
  const trust = checked('keys.root', keys.root, () => {
    return new Trust(root, online, { epochSecret, keks }, rootFile(keys.root));
  });
  if (trust.maySign) return trust;
  throw new ConfigError(
    'keys.onlineKey',
    keys.onlineKey,
    'must be an online key of the root document in force',
  );
}

function loadRedis(
  name: string,
  { tls, passwordFile }: { readonly tls?: TlsClientFiles; readonly passwordFile?: string },
  secrets: SecretFiles,
): RedisClient {
  return {
    tls: tls && loadClient(`${name}.tls`, tls, secrets),
    password: passwordFile && readText(`${name}.passwordFile`, passwordFile, secrets),
  };
}

/** The password is read again for each connection, so that one that was changed needs no restart. */
function loadPostgres(
  { postgresql }: StoreConfig,
  secrets: SecretFiles,
): Material['postgres'] | undefined {
  if (!postgresql) return undefined;
  const { passwordFile, ca } = postgresql;
  const password = () => readText('store.postgresql.passwordFile', passwordFile, secrets);
  password();
  return { password, ca: ca && loadCa('store.postgresql.ca', ca) };
}

/** `roots.json` beside the first root document: all of them, so that a restored etcd takes none back. */
function rootFile(first: string): RootFile {
  const path = join(dirname(first), 'roots.json');
  return {
    load: () => {
      const kept: unknown = JSON.parse(readIfThere(path) ?? '[]');
      if (Array.isArray(kept)) return kept as readonly unknown[];
      throw new Error(`${path} is not a list of root documents`);
    },
    keep: (roots) => writePrivate(path, JSON.stringify(roots)),
  };
}

function loadAdminTokenHash(path: string): string {
  const hash = readText('adminTokenHashFile', path, new SecretFiles());
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new ConfigError(
    'adminTokenHashFile',
    path,
    'must hold the sha256 of the admin token, 64 hexadecimal digits',
  );
}

/** A CA's certificate in PEM. Throws ConfigError. */
export function loadCa(name: string, path: string): string {
  const pem = readFile(name, path).toString('utf8');
  checked(name, path, () => new X509Certificate(pem));
  return pem;
}

/** The chain that hosts are shown must end in a CA that they may have pinned. */
function loadServer(tls: ServerConfig['tls'], secrets: SecretFiles): Material['server'] {
  const server = {
    ca: readFile('tls.ca', tls.ca),
    cert: readFile('tls.cert', tls.cert),
    key: Buffer.from(secrets.read('tls.key', tls.key)),
  };
  checkPair('tls', tls, server);
  const trusted = certificatesIn(server.ca.toString('utf8')).map(fingerprint);
  const shown = certificatesIn(server.cert.toString('utf8')).map(fingerprint);
  if (shown.some((each) => trusted.includes(each))) return server;
  const rule = `must hold the CA's certificate (of ${tls.ca}) after its own: hosts compare it with the fingerprint that they pin`;
  throw new ConfigError('tls.cert', tls.cert, rule);
}

/** Throws ConfigError for a certificate that is over, or whose key is another one. */
function checkPair(
  name: string,
  files: { readonly cert: string; readonly key: string },
  { cert, key }: { readonly cert: Buffer; readonly key: Buffer },
): void {
  const certificate = checked(`${name}.cert`, files.cert, () => new X509Certificate(cert));
  const privateKey = checked(`${name}.key`, files.key, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConfigError(`${name}.key`, files.key, `must be the key of ${files.cert}`);
  if (certificate.validToDate.getTime() > Date.now()) return;
  const rule = `has expired on ${certificate.validToDate.toISOString()}: renew it (\`up\` does so by itself)`;
  throw new ConfigError(`${name}.cert`, files.cert, rule);
}

function loadClient(
  name: string,
  { ca, cert, key, serverName }: TlsClientFiles,
  secrets: SecretFiles,
): TlsClient {
  const client = {
    serverName,
    ca: readFile(`${name}.ca`, ca),
    cert: cert === undefined ? undefined : readFile(`${name}.cert`, cert),
    key: key === undefined ? undefined : Buffer.from(secrets.read(`${name}.key`, key)),
  };
  if (cert !== undefined && key !== undefined && client.cert && client.key)
    checkPair(name, { cert, key }, { cert: client.cert, key: client.key });
  return client;
}

/** Text of a secret file, without white space around it. */
function readText(name: string, path: string, secrets: SecretFiles): string {
  const text = secrets.read(name, path).trim();
  if (text !== '') return text;
  throw new ConfigError(name, path, 'must not be empty');
}

function readFile(name: string, path: string): Buffer {
  return checked(name, path, () => readFileSync(path));
}

function checked<T>(name: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(name, path, `cannot be used: ${reason}`, { cause });
  }
}
