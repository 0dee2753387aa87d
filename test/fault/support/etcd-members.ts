import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { etcdProgram, type EtcdOptions } from '../../../apps/cli/src/embedded/etcd.js';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';

/** Members of the cluster, as plans name them. */
export const ETCD_MEMBERS = ['etcd-1', 'etcd-2', 'etcd-3'] as const;
export type EtcdMember = (typeof ETCD_MEMBERS)[number];

/** Where a member listens, for clients and for the other members. */
export interface MemberPorts {
  readonly client: number;
  readonly peer: number;
}

/** The link by which the other members reach this one. */
export const peersLink = (member: EtcdMember): string => `peers@${member}`;

const REPLACED = /^--(name|data-dir|initial-advertise-peer-urls|initial-cluster)=/;

/** A member as `up` runs its only one, but that it has others beside it, who reach it at the port that `linkOf` gives. */
export function memberProgram(
  name: EtcdMember,
  { client: clientPort, peer: peerPort }: MemberPorts,
  linkOf: (member: EtcdMember) => number,
  options: Omit<EtcdOptions, 'clientPort' | 'peerPort'>,
): Program {
  const program = etcdProgram({ ...options, clientPort, peerPort });
  const urlOf = (member: EtcdMember): string => `https://127.0.0.1:${linkOf(member)}`;
  const cluster = ETCD_MEMBERS.map((member) => `${member}=${urlOf(member)}`);
  return {
    ...program,
    name,
    args: [
      ...program.args.filter((word) => !REPLACED.test(word)),
      `--name=${name}`,
      `--data-dir=${join(options.dataDir, name)}`,
      `--initial-advertise-peer-urls=${urlOf(name)}`,
      `--initial-cluster=${cluster.join()}`,
    ],
    logFile: join(options.dataDir, `${name}.log`),
  };
}

export interface EtcdLogin {
  /** Of the members, for clients. */
  readonly ports: readonly number[];
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Words of etcdctl that lead it to every member. */
export function etcdctlLogin({ ports, ca, cert, key }: EtcdLogin): string[] {
  const endpoints = ports.map((port) => `https://127.0.0.1:${port}`).join();
  return [`--endpoints=${endpoints}`, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
}

/** Index of the port of the member that leads; throws where none does, or nobody says so. */
export async function leaderIndex(login: EtcdLogin): Promise<number> {
  const args = [...etcdctlLogin(login), 'endpoint', 'status', '-w', 'json', '--command-timeout=3s'];
  const answer = await promisify(execFile)('etcdctl', args, { timeout: 15_000 }).catch(
    // Members that do not answer make it fail; of the others it tells.
    (error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  );
  const members = JSON.parse(answer.stdout || '[]') as readonly MemberStatus[];
  const leader = members.find(({ Status: { header, leader: of } }) => header.member_id === of);
  const index = login.ports.findIndex((port) => leader?.Endpoint.endsWith(`:${port}`));
  if (index === -1) throw new Error('no member of etcd leads');
  return index;
}

interface MemberStatus {
  readonly Endpoint: string;
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
}
