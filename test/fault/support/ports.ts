import { freePort } from '#testing';
import type { EtcdMember, MemberPorts } from './etcd-members.js';

/** Where each server listens; the links before them have ports of their own. */
export interface Ports {
  readonly etcd: Readonly<Record<EtcdMember, MemberPorts>>;
  readonly redis: number;
  readonly 'redis-b': number;
  readonly 'redis-events': number;
  readonly sentinels: readonly number[];
  readonly 'control plane': number;
  readonly replica: number;
}

export async function freePorts(): Promise<Ports> {
  const member = async (): Promise<MemberPorts> => ({
    client: await freePort(),
    peer: await freePort(),
  });
  return {
    etcd: { 'etcd-1': await member(), 'etcd-2': await member(), 'etcd-3': await member() },
    redis: await freePort(),
    'redis-b': await freePort(),
    'redis-events': await freePort(),
    sentinels: [await freePort(), await freePort(), await freePort()],
    'control plane': await freePort(),
    replica: await freePort(),
  };
}
