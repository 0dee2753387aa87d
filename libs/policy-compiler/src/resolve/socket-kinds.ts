import { RARE_CELLS } from './cells.js';

/**
 * Kinds of sockets as BPF tells them apart: by family, type and protocol, so finer than AppArmor's cells. The names
 * stand where those do, in CellEntry; numbers are those of hostward-table.h (HW_TBL_SOCKET_*).
 */
const INET_KINDS = [
  ...['tcp', 'mptcp', 'sctp', 'stream-other', 'udp', 'udplite', 'icmp', 'dgram-other', 'sctp-many'],
  ...['seqpacket-other', 'rdm', 'dccp', 'raw-icmp', 'raw-other', 'other'],
] as const;
type InetKind = (typeof INET_KINDS)[number];

const FAMILIES = ['inet', 'inet6'] as const;
const INET6 = 16;
const BEYOND_INET = 32;
const OTHER_KINDS = [
  ...[
    'packet raw',
    'packet dgram',
    'vsock',
    'bluetooth',
    'can',
    'tipc',
    'rds',
    'xdp',
    'smc',
    'other',
  ],
] as const;

/** Every kind by name, with its number. 0 is no kind: unix, netlink and others that stay on the host. */
export const SOCKET_KINDS: ReadonlyMap<string, number> = new Map([
  ...FAMILIES.flatMap((family, at) =>
    INET_KINDS.map((kind, number): [string, number] => [
      `${family} ${kind}`,
      at * INET6 + number + 1,
    ]),
  ),
  ...OTHER_KINDS.map((kind, number): [string, number] => [kind, BEYOND_INET + number]),
]);

const BY_TYPE: Readonly<Record<string, readonly InetKind[]>> = {
  stream: ['tcp', 'mptcp', 'sctp', 'stream-other'],
  dgram: ['udp', 'udplite', 'icmp', 'dgram-other'],
  seqpacket: ['sctp-many', 'seqpacket-other'],
  raw: ['raw-icmp', 'raw-other'],
};

/** Numbers of the kinds that a cell means: one for a kind, several for a cell of AppArmor such as `inet stream`. */
export function kindsOf(cell: string): readonly number[] {
  const known = SOCKET_KINDS.get(RARE_CELLS.includes(cell) ? 'other' : cell);
  if (known !== undefined) return [known];
  const [family = '', type = ''] = cell.split(' ');
  return (BY_TYPE[type] ?? []).flatMap((kind) => SOCKET_KINDS.get(`${family} ${kind}`) ?? []);
}

/** A protocol of a policy as kinds; `broad` for what covers the whole class. */
export interface SocketProtocol {
  readonly kinds: readonly string[];
  readonly broad: boolean;
}

const both = (...kinds: readonly InetKind[]): readonly string[] =>
  FAMILIES.flatMap((family) => kinds.map((kind) => `${family} ${kind}`));
const only = (kinds: readonly string[]): SocketProtocol => ({ kinds, broad: false });
const PACKET = ['packet raw', 'packet dgram'];

/** MPTCP and SMC are TCP as soon as the other side wants it so, and UDP-Lite is UDP to whoever must not send datagrams. */
const PROTOCOLS: Readonly<Record<string, SocketProtocol>> = {
  tcp: only([...both('tcp', 'mptcp'), 'smc']),
  udp: only(both('udp', 'udplite')),
  icmp: only(['inet icmp', 'inet raw-icmp']),
  icmpv6: only(['inet6 icmp', 'inet6 raw-icmp']),
  sctp: only(both('sctp', 'sctp-many')),
  dccp: only(both('dccp')),
  stream: only([...both('tcp', 'mptcp', 'sctp', 'stream-other'), 'smc']),
  dgram: only(both('udp', 'udplite', 'icmp', 'dgram-other')),
  seqpacket: only(both('sctp-many', 'seqpacket-other')),
  rdm: only(both('rdm')),
  raw: only([...both('raw-icmp', 'raw-other'), 'packet raw']),
  packet: only(PACKET),
  all: { kinds: [...SOCKET_KINDS.keys()], broad: true },
};

/** Meaning of a protocol, lower case; undefined where there is none of that name. */
export function protocolKinds(protocol: string): SocketProtocol | undefined {
  return Object.hasOwn(PROTOCOLS, protocol) ? PROTOCOLS[protocol] : undefined;
}
