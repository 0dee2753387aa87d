import { join } from 'node:path';
import type { ServerKeys } from './server-keys.js';
import type { Program } from './supervised.js';
import { shakesHands, until } from './wait.js';

export interface EtcdOptions {
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly keys: ServerKeys;
}

const QUOTA_BYTES = 2 * 1024 * 1024 * 1024;

/** The embedded etcd: one member on loopback, clients by certificate only, old revisions compacted hourly. */
export function etcdProgram(options: EtcdOptions): Program {
  const client = `https://127.0.0.1:${options.clientPort}`;
  const peer = `https://127.0.0.1:${options.peerPort}`;
  const { ca, cert, key } = options.tls;
  const here = { ca, cert, key: options.keys.etcdPath };
  return {
    name: 'etcd',
    command: 'etcd',
    cwd: options.dataDir,
    descriptors: options.keys.forEtcd,
    args: [
      '--name=hostward',
      `--data-dir=${join(options.dataDir, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=hostward=${peer}`,
      '--client-cert-auth',
      // No host has a certificate of this authority; of those who have, only those of this name are clients.
      '--client-cert-allowed-hostname=control-plane',
      `--trusted-ca-file=${ca}`,
      `--cert-file=${cert}`,
      `--key-file=${key}`,
      '--peer-client-cert-auth',
      '--peer-cert-allowed-hostname=localhost',
      `--peer-trusted-ca-file=${ca}`,
      `--peer-cert-file=${cert}`,
      `--peer-key-file=${key}`,
      '--auto-compaction-mode=periodic',
      '--auto-compaction-retention=1h',
      `--quota-backend-bytes=${QUOTA_BYTES}`,
      '--log-level=warn',
    ],
    logFile: join(options.dataDir, 'etcd.log'),
    ready: (signal) => until(() => shakesHands(options.clientPort, here), signal),
    readyWithinMs: 90_000,
    stopWithinMs: 10_000,
  };
}
