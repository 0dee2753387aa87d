import { join } from 'node:path';
import { authorityPaths } from '../../certificates/authority-paths.js';
import { checkOwnFolder } from '../../config/private.js';
import { VAULT_FILE } from '../../config/secret-files.js';

/**
 * Where everything lies in a data directory; all of it readable by its owner only. `held`: where etcd and Redis read
 * their keys, where those are in no file of it.
 */
export function layout(dataDir: string, held?: { readonly etcd: string; readonly redis: string }) {
  const pki = (name: string) => join(dataDir, 'pki', name);
  const keys = (name: string) => join(dataDir, 'keys', name);
  const pair = (name: string) => ({ cert: pki(`${name}.pem`), key: pki(`${name}.key`) });
  const controlPlane = pair('control-plane');
  /** The control plane's own certificate as a client of Redis. */
  const client = pair('client');
  const authority = authorityPaths({
    trusted: pki('ca.pem'),
    cert: pki('authority.pem'),
    key: pki('ca.key'),
  });
  /** Of etcd alone, whose clients no host is: it stays when the authority that hosts pin is replaced. */
  const etcdAuthority = { cert: pki('etcd-ca.pem'), key: pki('etcd-ca.key') };
  const etcdClient = pair('etcd-client');
  const own = {
    caKey: authority.issuing.key,
    nextCaKey: authority.next.key,
    etcdCaKey: etcdAuthority.key,
    rootKey: keys('root.key'),
    onlineKey: keys('online.key'),
    epochSecret: keys('epoch.secret'),
    channelKeyKeys: keys('channel-keys.secret'),
    redisPassword: keys('redis-control.password'),
    /** An operator's, where it lies here. */
    postgresqlPassword: keys('postgresql.password'),
  };
  return {
    ...own,
    dataDir,
    folders: [dataDir, join(dataDir, 'pki'), join(dataDir, 'keys')],
    config: join(dataDir, 'control-plane.yaml'),
    authority,
    etcdAuthority,
    etcdClient,
    controlPlane,
    etcd: { ...pair('etcd'), ...(held && { key: held.etcd }) },
    redis: { ...pair('redis'), ...(held && { key: held.redis }) },
    /** What is not to be there any more. */
    abandoned: held ? [pair('etcd').key, pair('redis').key] : [],
    client,
    root: keys('root.json'),
    /** All root documents that the control plane has followed. */
    roots: keys('roots.json'),
    adminTokenHash: keys('admin-token.sha256'),
    redisUsers: keys('redis-users.conf'),
    /** The password for Redis in clear, where Redis has replicas: in no backup, since `init` makes it again. */
    redisFolder: join(dataDir, 'redis'),
    redisMasterAuth: join(dataDir, 'redis', 'masterauth.conf'),
    sentinelLogin: join(dataDir, 'redis', 'sentinel-login.conf'),
    /** To which another control plane seals the keys that this one is to have. */
    replicaKey: join(dataDir, 'replica.key'),
    keysFolder: join(dataDir, 'keys'),
    vault: keys(VAULT_FILE),
    /** What the control plane alone reads, so that it may be sealed; etcd and Redis read their keys themselves. */
    secrets: [...Object.values(own), controlPlane.key, client.key, etcdClient.key],
  };
}

/** Paths of a data directory. */
export type Layout = ReturnType<typeof layout>;

/** As `layout`, of a data directory that is to be written. Throws ConfigError where root would write another user's. */
export function ownLayout(...[dataDir, held]: Parameters<typeof layout>): Layout {
  checkOwnFolder('the data directory', dataDir);
  return layout(dataDir, held);
}
