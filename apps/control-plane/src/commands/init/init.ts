import { makePrivateFolder } from '#files';
import { fingerprint } from '#pki';
import { existsSync, rmSync } from 'node:fs';
import { SecretFiles } from '../../config/secret-files.js';
import { Authorities } from '../../certificates/authorities.js';
import type { AuthorityFiles } from '../../certificates/given-authority.js';
import { ensureEtcdAuthority, ensureLeaves } from './certificates.js';
import { configText } from './config-text.js';
import {
  ensureAdminToken,
  ensureKeys,
  ensureRedisUsers,
  refuseLostRoot,
  rotateChannelKeyKey,
} from './keys.js';
import { ownLayout, type Layout } from './layout.js';
import type { InitOptions } from './options.js';
import { makeVault } from './passphrase.js';
import { readIfThere, writeInPlace, writePrivate } from '../../config/private-file.js';

/** What `init` answers on standard output, as one JSON object. `adminToken` only when it was made just now, for no file. */
export interface InitAnswer {
  readonly configFile: string;
  /** Whether it says something else than before, which takes a restart. */
  readonly isConfigChanged: boolean;
  readonly url: string;
  /** Every authority that is trusted. */
  readonly caFile: string;
  /** The one that signs; certificates are to be made anew when it changes. */
  readonly authorityFile: string;
  readonly caFingerprint: string;
  readonly adminToken?: string;
  readonly etcd: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly redis: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    /** Lines of redis.conf that make the users there are before any host: to be included. */
    readonly usersFile: string;
  };
}

/** Makes what a control plane needs and is not there yet; what is there stays. The configuration follows the flags. */
export async function init(options: InitOptions): Promise<InitAnswer> {
  const files = ownLayout(options.dataDir, options.serverKeys);
  refuseLostRoot(files);
  for (const folder of files.folders) makePrivateFolder(folder);
  const secrets = openSecrets(files, options);
  const authorities = await Authorities.ensure(files.authority, secrets, ownAuthority(options));
  const authority = authorities.issuing;
  const etcdAuthority = await ensureEtcdAuthority(files.etcdAuthority, secrets);
  await ensureLeaves(files, { authority, etcdAuthority }, options.names, {
    secrets,
    serverKeys: options.serverKeys ? writeInPlace : writePrivate,
    hours: options.leafHours,
  });
  for (const path of files.abandoned) rmSync(path, { force: true });
  ensureKeys(files, secrets);
  if (options.rotateChannelKeyKey) rotateChannelKeyKey(files, secrets);
  ensureRedisUsers(files, secrets, options.redisReplicas);
  const text = configText(files.config, configOf(files, options));
  const isConfigChanged = text !== readIfThere(files.config);
  writePrivate(files.config, text);
  const adminToken = ensureAdminToken(files, options);
  const { host, port } = options.listen;
  return {
    configFile: files.config,
    isConfigChanged,
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    caFile: files.authority.trusted,
    authorityFile: files.authority.issuing.cert,
    caFingerprint: fingerprint(authority.certificatePem),
    ...(options.adminTokenFile === undefined && { adminToken }),
    etcd: { ca: files.etcdAuthority.cert, ...files.etcd },
    redis: { ca: files.authority.trusted, ...files.redis, usersFile: files.redisUsers },
  };
}

function ownAuthority({ ca }: InitOptions): AuthorityFiles | undefined {
  if (ca === undefined) return undefined;
  return {
    cert: { name: '--ca-cert', path: ca.cert },
    key: { name: '--ca-key', path: ca.key },
  };
}

/** Sealed from the beginning, where a passphrase is given to a new data directory. */
function openSecrets(files: Layout, { passphraseFile }: InitOptions): SecretFiles {
  const isNew = [files.caKey, files.onlineKey, files.vault].every((path) => !existsSync(path));
  if (isNew) makeVault(files, passphraseFile);
  return SecretFiles.open(files.keysFolder, passphraseFile);
}

/** What flags and the data directory say; a key that goes with its flag is undefined without it. All else is a person's. */
function configOf(files: Layout, options: InitOptions): object {
  const { listen, names, etcd, redis, redisEvents, agentRedisHost: host, dataDir } = options;
  const ca = files.authority.trusted;
  return {
    listen,
    advertised: names,
    dataDir,
    etcd: {
      hosts: [etcd],
      // TLS to etcd knows no addresses; every member's certificate has this name, by an authority of etcd alone.
      tls: { ca: files.etcdAuthority.cert, ...files.etcdClient, serverName: 'localhost' },
    },
    redis: {
      ...redis,
      tls: { ca, ...files.client },
      username: 'control',
      passwordFile: files.redisPassword,
      server: { ca, ...files.redis },
      events: redisEvents,
      agent: {
        host,
        port: redis.port,
        events: redisEvents && { host, port: redisEvents.port },
      },
    },
    tls: { ca, ...files.controlPlane },
    keys: {
      caCertificate: files.authority.issuing.cert,
      caKey: files.caKey,
      root: files.root,
      onlineKey: files.onlineKey,
      epochSecret: files.epochSecret,
      channelKeyKeys: files.channelKeyKeys,
      passphraseFile: options.passphraseFile,
    },
    adminTokenHashFile: files.adminTokenHash,
    ...(options.packagesDir !== undefined && { packagesDir: options.packagesDir }),
  };
}
