import { join } from 'node:path';

/** Where everything lies in a data directory; all of it readable by its owner only. */
export function layout(dataDir: string) {
  const pki = (name: string) => join(dataDir, 'pki', name);
  const keys = (name: string) => join(dataDir, 'keys', name);
  const pair = (name: string) => ({ cert: pki(`${name}.pem`), key: pki(`${name}.key`) });
  return {
    dataDir,
    folders: [dataDir, join(dataDir, 'pki'), join(dataDir, 'keys')],
    config: join(dataDir, 'control-plane.yaml'),
    ca: pki('ca.pem'),
    caKey: pki('ca.key'),
    controlPlane: pair('control-plane'),
    etcd: pair('etcd'),
    redis: pair('redis'),
    /** The control plane's own certificate as a client of etcd and Redis. */
    client: pair('client'),
    rootKey: keys('root.key'),
    root: keys('root.json'),
    onlineKey: keys('online.key'),
    epochSecret: keys('epoch.secret'),
    adminTokenHash: keys('admin-token.sha256'),
    redisPassword: keys('redis-control.password'),
    redisAgentPassword: keys('redis-agent.password'),
    redisAcl: join(dataDir, 'keys', 'redis-users.acl'),
  };
}

/** Paths of a data directory. */
export type Layout = ReturnType<typeof layout>;
