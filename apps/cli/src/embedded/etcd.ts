import { join } from 'node:path';
import type { Program } from './supervised.js';
import { shakesHands, until } from './wait.js';

export interface EtcdOptions {
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

const QUOTA_BYTES = 2 * 1024 * 1024 * 1024;

/** The embedded etcd: one member on loopback, clients by certificate only, old revisions compacted hourly. */
export function etcdProgram(options: EtcdOptions): Program {
  const client = `https://127.0.0.1:${options.clientPort}`;
  const peer = `https://127.0.0.1:${options.peerPort}`;
  const { ca, cert, key } = options.tls;
  return {
    name: 'etcd',
    command: 'etcd',
    cwd: options.dataDir,
    args: [
      '--name=hostward',
      `--data-dir=${join(options.dataDir, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=hostward=${peer}`,
      '--client-cert-auth',
      // Hosts have certificates of the same authority, without a name.
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
    ready: (signal) => until(() => shakesHands(options.clientPort, options.tls), signal),
    readyWithinMs: 30_000,
    stopWithinMs: 10_000,
  };
}
