import { fingerprint } from '#pki';
import { stringify } from 'yaml';
import { ensureAuthority, ensureLeaves } from './certificates.js';
import { ensureAdminToken, ensureKeys, ensureRedisUsers } from './keys.js';
import { layout, type Layout } from './layout.js';
import type { InitOptions } from './options.js';
import { makePrivateFolder, writePrivate } from './private-file.js';

/** What `init` answers on standard output, as one JSON object. `adminToken` only when it was made just now. */
export interface InitAnswer {
  readonly configFile: string;
  readonly url: string;
  readonly caFile: string;
  readonly caFingerprint: string;
  readonly adminToken?: string;
  readonly etcd: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly redis: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly aclFile: string;
  };
}

/** Makes what a control plane needs and is not there yet; what is there stays. The configuration follows the flags. */
export async function init(options: InitOptions): Promise<InitAnswer> {
  const files = layout(options.dataDir);
  for (const folder of files.folders) makePrivateFolder(folder);
  const authority = await ensureAuthority(files);
  await ensureLeaves(files, authority, options.names, options.leafHours);
  ensureKeys(files);
  ensureRedisUsers(files);
  writePrivate(files.config, stringify(configOf(files, options), { aliasDuplicateObjects: false }));
  const adminToken = ensureAdminToken(files);
  const { host, port } = options.listen;
  return {
    configFile: files.config,
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    caFile: files.ca,
    caFingerprint: fingerprint(authority.certificatePem),
    adminToken,
    etcd: { ca: files.ca, ...files.etcd },
    redis: { ca: files.ca, ...files.redis, aclFile: files.redisAcl },
  };
}

function configOf(
  files: Layout,
  { listen, names, etcd, redis, agentRedisHost, dataDir }: InitOptions,
): object {
  const client = { ca: files.ca, ...files.client };
  return {
    listen,
    advertised: names,
    dataDir,
    etcd: { hosts: [etcd], tls: client },
    redis: {
      ...redis,
      tls: client,
      username: 'control',
      passwordFile: files.redisPassword,
      server: files.redis,
      agent: {
        ...(agentRedisHost !== undefined && { host: agentRedisHost }),
        port: redis.port,
        username: 'agent',
        passwordFile: files.redisAgentPassword,
      },
    },
    tls: { ca: files.ca, ...files.controlPlane, clients: 'optional' },
    keys: {
      caKey: files.caKey,
      root: files.root,
      onlineKey: files.onlineKey,
      epochSecret: files.epochSecret,
    },
    adminTokenHashFile: files.adminTokenHash,
  };
}
