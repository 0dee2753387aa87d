/**
 * Sockets and capabilities: classes of few members, so that their verdicts are worked out here and the profile names
 * the outcome. AppArmor up to kernel 6.12 tells sockets apart by family and type only.
 */

const TYPES = ['stream', 'dgram', 'seqpacket', 'rdm', 'raw'] as const;
const INET = ['inet', 'inet6'] as const;
const INET_CELLS = INET.flatMap((family) => TYPES.map((type) => `${family} ${type}`));
const PACKET_CELLS = ['packet raw', 'packet dgram'];
/** TCP of another family: it falls back to TCP with whoever does not have it, by a socket of the kernel's own. */
const SMC = 'smc';
/** Whole families beside IP that reach beyond the host. AF_UNIX and netlink are not the network and never blocked. */
const OTHER_CELLS = ['vsock', 'bluetooth', 'can', 'tipc', 'rds', 'xdp', SMC];
/** Those that BPF does not tell apart, as far as every parser since 2.12 knows them. */
export const RARE_CELLS: readonly string[] = [
  ...['kcm', 'qipcrtr', 'rxrpc', 'phonet', 'pppox', 'llc', 'iucv', 'isdn', 'irda', 'ieee802154'],
  ...['caif', 'nfc', 'ax25', 'netrom', 'rose', 'ipx', 'appletalk', 'x25', 'atmpvc', 'atmsvc'],
];

/** Every kind of socket that a rule can speak of. */
const NETWORK_CELLS: readonly string[] = [
  ...INET_CELLS,
  ...PACKET_CELLS,
  ...OTHER_CELLS,
  ...RARE_CELLS,
];

/** What a protocol means in AppArmor's terms, or why it has no meaning there. */
export type Protocol =
  | { readonly cells: readonly string[]; readonly broad: boolean; readonly note?: string }
  | { readonly unsupported: string };

const both = (type: string): readonly string[] => INET.map((family) => `${family} ${type}`);

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  tcp: {
    cells: [...both('stream'), SMC],
    broad: false,
    note: 'AppArmor tells sockets apart by family and type: every IP stream socket counts as tcp',
  },
  udp: {
    cells: both('dgram'),
    broad: false,
    note: 'AppArmor tells sockets apart by family and type: every IP datagram socket counts as udp',
  },
  stream: { cells: [...both('stream'), SMC], broad: false },
  dgram: { cells: both('dgram'), broad: false },
  seqpacket: { cells: both('seqpacket'), broad: false },
  rdm: { cells: both('rdm'), broad: false },
  raw: { cells: [...both('raw'), 'packet raw'], broad: false },
  packet: { cells: PACKET_CELLS, broad: false },
  all: { cells: NETWORK_CELLS, broad: true },
  icmp: { unsupported: 'AppArmor cannot tell ICMP datagram sockets (what ping opens) from UDP' },
  icmpv6: { unsupported: 'AppArmor cannot tell ICMPv6 datagram sockets from UDP' },
  sctp: { unsupported: 'AppArmor cannot tell one-to-one SCTP sockets from TCP' },
  dccp: { unsupported: 'AppArmor has no word for DCCP sockets' },
};

/** Meaning of a protocol, lower case. */
export function protocolCells(protocol: string): Protocol {
  return (
    PROTOCOLS[protocol] ?? { unsupported: `protocol ${JSON.stringify(protocol)} is not known` }
  );
}

/** Names by number, as in linux/capability.h. */
export const CAPABILITIES: readonly string[] = [
  'chown',
  'dac_override',
  'dac_read_search',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'linux_immutable',
  'net_bind_service',
  'net_broadcast',
  'net_admin',
  'net_raw',
  'ipc_lock',
  'ipc_owner',
  'sys_module',
  'sys_rawio',
  'sys_chroot',
  'sys_ptrace',
  'sys_pacct',
  'sys_admin',
  'sys_boot',
  'sys_nice',
  'sys_resource',
  'sys_time',
  'sys_tty_config',
  'mknod',
  'lease',
  'audit_write',
  'audit_control',
  'setfcap',
  'mac_override',
  'mac_admin',
  'syslog',
  'wake_alarm',
  'block_suspend',
  'audit_read',
  'perfmon',
  'bpf',
  'checkpoint_restore',
];

/** Its name, or its number where it is newer than this version. */
export function capabilityName(number: number): string {
  return CAPABILITIES[number] ?? String(number);
}

/** Every cell of a class, for allow-lists. */
export const CLASS_CELLS = {
  network: NETWORK_CELLS,
  capabilities: CAPABILITIES.map((name) => `capability ${name}`),
} as const;

/** A cell as a rule of a profile, without conditions. */
export function cellText(cell: string): string {
  return cell.startsWith('capability ') ? cell : `network ${cell}`;
}
