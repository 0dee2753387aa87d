import { readFileSync, statSync } from 'node:fs';
import { loadSigner, trustRoot } from '#bundle';
import { AgentEndpoint } from './agent-endpoint.js';
import { ConfigError } from './config-error.js';
import type { ServerConfig, TlsFiles } from './config.js';
import { Trust } from './trust.js';

/** PEM of a TLS client. */
interface TlsClient {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Everything that the files of a configuration hold, read and checked once. */
export interface Material {
  readonly trust: Trust;
  readonly adminTokenHash: string;
  readonly server: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  readonly etcd?: TlsClient;
  readonly redis: { readonly tls?: TlsClient; readonly password?: string };
  readonly agentRedis: AgentEndpoint;
}

/** Reads all files. Throws ConfigError, naming key, path and rule; a secret that others may read is refused. */
export function loadMaterial(config: ServerConfig): Material {
  return {
    trust: loadTrust(config),
    adminTokenHash: loadAdminTokenHash(config.adminTokenHashFile),
    server: {
      ca: readFile('tls.ca', config.tls.ca),
      cert: readFile('tls.cert', config.tls.cert),
      key: readSecret('tls.key', config.tls.key),
    },
    etcd: config.etcd.tls && loadClient('etcd.tls', config.etcd.tls),
    redis: {
      tls: config.redis.tls && loadClient('redis.tls', config.redis.tls),
      password:
        config.redis.passwordFile && readText('redis.passwordFile', config.redis.passwordFile),
    },
    agentRedis: loadAgentEndpoint(config),
  };
}

function loadTrust({ keys, tls }: ServerConfig): Trust {
  const root = checked('keys.root', keys.root, () =>
    trustRoot(JSON.parse(readFile('keys.root', keys.root).toString('utf8')) as unknown),
  );
  const online = checked('keys.onlineKey', keys.onlineKey, () =>
    loadSigner(readText('keys.onlineKey', keys.onlineKey)),
  );
  if (!root.document.online.some(({ keyid }) => keyid === online.keyid)) {
    throw new ConfigError(
      'keys.onlineKey',
      keys.onlineKey,
      'must be an online key of the root document',
    );
  }
  const epochSecret = Buffer.from(readText('keys.epochSecret', keys.epochSecret), 'base64');
  if (epochSecret.length !== 32) {
    throw new ConfigError('keys.epochSecret', keys.epochSecret, 'must hold 32 bytes in base64');
  }
  return new Trust(root, online, epochSecret, {
    certificatePem: readFile('tls.ca', tls.ca).toString('utf8'),
    privateKeyPem: readSecret('keys.caKey', keys.caKey).toString('utf8'),
  });
}

function loadAdminTokenHash(path: string): string {
  const hash = readText('adminTokenHashFile', path);
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new ConfigError(
    'adminTokenHashFile',
    path,
    'must hold the sha256 of the admin token, 64 hexadecimal digits',
  );
}

function loadAgentEndpoint({ redis: { agent } }: ServerConfig): AgentEndpoint {
  const password = readText('redis.agent.passwordFile', agent.passwordFile);
  return new AgentEndpoint({
    host: agent.host,
    port: agent.port,
    username: agent.username,
    password,
  });
}

function loadClient(name: string, { ca, cert, key }: TlsFiles): TlsClient {
  return {
    ca: readFile(`${name}.ca`, ca),
    cert: cert === undefined ? undefined : readFile(`${name}.cert`, cert),
    key: key === undefined ? undefined : readSecret(`${name}.key`, key),
  };
}

/** Text of a secret file, without white space around it. */
function readText(name: string, path: string): string {
  const text = readSecret(name, path).toString('utf8').trim();
  if (text !== '') return text;
  throw new ConfigError(name, path, 'must not be empty');
}

function readSecret(name: string, path: string): Buffer {
  const bytes = readFile(name, path);
  if ((statSync(path).mode & 0o077) === 0) return bytes;
  throw new ConfigError(name, path, 'must be readable by its owner only (chmod 600)');
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
