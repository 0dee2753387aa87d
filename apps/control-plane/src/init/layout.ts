import { join } from 'node:path';
import { VAULT_FILE } from '../vault/secret-files.js';

/** Where everything lies in a data directory; all of it readable by its owner only. */
export function layout(dataDir: string) {
  const pki = (name: string) => join(dataDir, 'pki', name);
  const keys = (name: string) => join(dataDir, 'keys', name);
  const pair = (name: string) => ({ cert: pki(`${name}.pem`), key: pki(`${name}.key`) });
  const controlPlane = pair('control-plane');
  /** The control plane's own certificate as a client of etcd and Redis. */
  const client = pair('client');
  const own = {
    caKey: pki('ca.key'),
    rootKey: keys('root.key'),
    onlineKey: keys('online.key'),
    epochSecret: keys('epoch.secret'),
    hostKeyKeys: keys('host-keys.secret'),
    redisPassword: keys('redis-control.password'),
  };
  return {
    ...own,
    dataDir,
    folders: [dataDir, join(dataDir, 'pki'), join(dataDir, 'keys')],
    config: join(dataDir, 'control-plane.yaml'),
    ca: pki('ca.pem'),
    controlPlane,
    etcd: pair('etcd'),
    redis: pair('redis'),
    client,
    root: keys('root.json'),
    adminTokenHash: keys('admin-token.sha256'),
    redisUsers: keys('redis-users.conf'),
    keysFolder: join(dataDir, 'keys'),
    vault: keys(VAULT_FILE),
    /** What the control plane alone reads, so that it may be sealed; etcd and Redis read their keys themselves. */
    secrets: [...Object.values(own), controlPlane.key, client.key],
  };
}

/** Paths of a data directory. */
export type Layout = ReturnType<typeof layout>;
