/**
 * The control path of a host (D11): what an operator, Ansible and Hostward itself need to reach it and to set it
 * right. Data only; a rule that would block any of it is refused. Paths are those of Debian 13; the host adds its own
 * by `ControlPathFacts`. Letters are permissions: r read, w write, m map as code, x execute.
 */
import {
  HOSTWARD,
  LOGIN,
  NAMES,
  PARSER,
  PYTHON,
  type Row,
  rows,
  SFTP,
  SHELLS,
  SSHD,
  SU,
  SUDO,
  SYSTEMD,
} from './control-programs.js';
import { controlLibraries } from './protected-libraries.js';
import type { ControlPathFacts, ProtectedPath } from './types.js';

/** Who gives a host its address where systemd does not, by packages of Debian: its program, what that runs and reads. */
const ADDRESS_CLIENTS: readonly {
  readonly program: string;
  readonly runs: readonly string[];
  readonly reads: readonly string[];
}[] = [
  { program: '/usr/sbin/ifup', runs: ['/usr/bin/ip'], reads: ['/etc/network/interfaces'] },
  {
    program: '/usr/sbin/dhclient',
    runs: ['/usr/sbin/dhclient-script', '/usr/bin/ip'],
    reads: ['/etc/dhcp/dhclient.conf'],
  },
  {
    program: '/usr/sbin/dhcpcd',
    runs: ['/usr/lib/dhcpcd/dhcpcd-run-hooks'],
    reads: ['/etc/dhcpcd.conf'],
  },
  {
    program: '/usr/sbin/NetworkManager',
    runs: [],
    reads: ['/etc/NetworkManager/NetworkManager.conf', '/etc/NetworkManager/system-connections/'],
  },
];
const ADDRESSERS = [...NAMES, ...ADDRESS_CLIENTS.map(({ program }) => program)];
/** Users of images of clouds, and ours; a host names its own beside them. */
const LOGINS = ['operator', 'admin', 'ansible', 'debian', 'ec2-user', 'ubuntu'];
const STATE = '/var/lib/hostward';

/**
 * What the sensor writes and a new rule set needs: in BPF no program is exempt from the rules, this one neither. A file
 * is written under a temporary name. Mirror: libs/sensor/native/src/snapshot.h, boots.c and file.c.
 */
const SENSOR_FILES = [
  'snapshot',
  'snapshot.prev',
  'snapshot.old',
  'memory',
  'memory.old',
  'envelope',
  'envelope.prev',
  'boots',
];
/** Mirror: libs/sensor/native/src/trust.c. */
const TRUST_FILES = ['root.json', 'minimum-versions.json'];

/**
 * What the agent needs to reach its control plane after its next start, and to go on being let in. Mirror:
 * apps/agent/src/config/host-files.ts and atomic-file.ts.
 */
const AGENT_FILES = [
  'signing.key',
  'tls.key',
  'tls.csr',
  'tls.crt',
  'ca.crt',
  'ca.pinned',
  'redis.json',
  'redis.secret',
  'redis.secret.next',
  'control-plane.json',
  'channel-key.json',
  'audit-log-heads.json',
  'name',
].flatMap((name) => [`${STATE}/agent/${name}`, `${STATE}/agent/${name}.new`]);

const written = (dir: string, names: readonly string[]): readonly string[] => [
  dir,
  ...names.flatMap((name) => [`${dir}${name}`, `${dir}.${name}.new`]),
];

const ROOT = 'owner';

function keysOf(homes: readonly string[]): Row {
  const paths = homes.map((home) => `${home}/.ssh/authorized_keys`);
  return ["the operator's authorized keys", 'r', paths, ROOT, SSHD];
}

const ROWS: readonly Row[] = [
  ['sshd', 'rmx', SSHD, ROOT],
  ['the SFTP server that Ansible copies by', 'rmx', SFTP],
  ['systemd', 'rmx', ['/usr/lib/systemd/systemd']],
  ['systemd', 'rmx', [...SYSTEMD.slice(1), ...NAMES, '/usr/bin/systemctl'], ROOT],
  ['sudo', 'rmx', SUDO],
  [
    'the shells that logins and Ansible use',
    'rmx',
    SHELLS,
    undefined,
    [...SHELLS, ...SSHD, ...LOGIN, ...SUDO],
  ],
  [
    'what sudo is made of',
    'rm',
    ['/usr/libexec/sudo/sudoers.so', '/usr/libexec/sudo/libsudo_util.so.0'],
    undefined,
    SUDO,
  ],
  ["Ansible's python", 'rmx', PYTHON],
  ['login at the console', 'rmx', LOGIN, ROOT],
  ['Hostward', 'rmx', HOSTWARD, ROOT],
  [
    'the programs of Hostward',
    'r',
    ['/usr/lib/hostward/agent.mjs', '/usr/lib/hostward/compiler.mjs'],
    undefined,
    HOSTWARD,
  ],
  [
    'the libraries of Hostward',
    'rm',
    ['/usr/lib/hostward/lib/libatomic.so.1'],
    undefined,
    HOSTWARD,
  ],
  ['the parser of AppArmor', 'rmx', PARSER, ROOT],

  ['the loader cache', 'r', ['/etc/ld.so.cache']],
  [
    'user and group names',
    'r',
    ['/etc/passwd', '/etc/group', '/etc/nsswitch.conf'],
    undefined,
    [...SSHD, ...SUDO, ...LOGIN, ...SYSTEMD],
  ],
  ['passwords of logins', 'r', ['/etc/shadow'], ROOT, [...SSHD, ...SUDO, ...LOGIN]],
  [
    'PAM',
    'r',
    [
      ...['sshd', 'sudo', 'login', 'common-auth', 'common-account', 'common-password'].map(
        (service) => `/etc/pam.d/${service}`,
      ),
      ...['/etc/pam.d/common-session', '/etc/pam.d/common-session-noninteractive'],
      '/etc/security/limits.conf',
    ],
    ROOT,
    [...SSHD, ...SUDO, ...LOGIN],
  ],
  // What the folders hold is named by people; a pattern takes these as well as any.
  [
    'the configuration of sudo',
    'r',
    [
      ...['/etc/sudoers', '/etc/sudoers.d/', '/etc/sudoers.d/90-cloud-init-users'],
      ...LOGINS.map((user) => `/etc/sudoers.d/${user}`),
    ],
    ROOT,
    SUDO,
  ],
  [
    'the keys and configuration of sshd',
    'r',
    [
      ...['/etc/ssh/sshd_config', '/etc/ssh/ssh_host_ed25519_key', '/etc/ssh/ssh_host_rsa_key'],
      ...['/etc/ssh/sshd_config.d/', '/etc/ssh/sshd_config.d/50-cloud-init.conf'],
    ],
    ROOT,
    SSHD,
  ],
  keysOf(['/root', ...LOGINS.map((user) => `/home/${user}`)]),
  [
    'name resolution',
    'r',
    ['/etc/resolv.conf', '/etc/hosts', '/run/systemd/resolve/stub-resolv.conf'],
    undefined,
    [...SSHD, ...NAMES, ...HOSTWARD],
  ],
  ['certificates', 'r', ['/etc/ssl/certs/ca-certificates.crt'], undefined, HOSTWARD],
  ["Hostward's configuration", 'r', ['/etc/hostward/agent.yaml'], undefined, HOSTWARD],
  [
    "Hostward's state",
    'rw',
    [`${STATE}/`, ...written(`${STATE}/sensor/`, SENSOR_FILES)],
    ROOT,
    HOSTWARD,
  ],
  ["Hostward's trust", 'rw', written(`${STATE}/trust/`, TRUST_FILES), ROOT, HOSTWARD],
  [
    "Hostward's trust",
    'r',
    [...TRUST_FILES, 'node-id'].map((name) => `${STATE}/trust/${name}`),
    undefined,
    HOSTWARD,
  ],
  ["Hostward's identity", 'rw', [`${STATE}/agent/`, ...AGENT_FILES], ROOT, HOSTWARD],
  // It is root's: systemd hands it to the compiler, and the agent reads it by its group.
  [
    "Hostward's sealing key",
    'r',
    [`${STATE}/trust/sealing.key`],
    undefined,
    [...SYSTEMD, ...HOSTWARD],
  ],
  [
    "Hostward's socket",
    'rw',
    ['/run/hostward/sensor.sock', '/run/hostward/compiler.sock'],
    undefined,
    HOSTWARD,
  ],
  [
    'units of systemd',
    'r',
    ['/usr/lib/systemd/system/ssh.service', '/etc/systemd/system/'],
    ROOT,
    SYSTEMD,
  ],
  [
    'the configuration of the network',
    'r',
    ['/etc/systemd/network/', '/run/systemd/network/'],
    undefined,
    NAMES,
  ],
  [
    'sockets of systemd and D-Bus',
    'rw',
    ['/run/systemd/notify', '/run/systemd/journal/socket', '/run/dbus/system_bus_socket'],
    undefined,
    [...SSHD, ...SYSTEMD, ...NAMES, ...HOSTWARD],
  ],

  // PID 1 is judged as any program is on BPF: without these no unit starts any more, at the next boot none at all.
  [
    'control groups, without which systemd starts nothing',
    'rw',
    [
      '/sys/fs/cgroup/',
      '/sys/fs/cgroup/cgroup.procs',
      '/sys/fs/cgroup/system.slice/',
      '/sys/fs/cgroup/system.slice/ssh.service/',
      '/sys/fs/cgroup/system.slice/ssh.service/cgroup.procs',
      '/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope/cgroup.procs',
    ],
    ROOT,
    SYSTEMD,
  ],

  ['/dev/null and its like', 'rw', ['/dev/null', '/dev/zero', '/dev/full']],
  ['random numbers', 'r', ['/dev/random', '/dev/urandom']],
  ['terminals', 'rw', ['/dev/tty', '/dev/ptmx', '/dev/pts/0']],
  ['the console', 'rw', ['/dev/console', '/dev/tty1'], ROOT, LOGIN],
  [
    'the login uid, which PAM sets for who logs in',
    'rw',
    ['/proc/1234/loginuid'],
    ROOT,
    [...SSHD, ...LOGIN],
  ],
  [
    '/proc',
    'r',
    ['/proc/1234/stat', '/proc/1/status', '/proc/1234/mountinfo', '/proc/filesystems'],
  ],
  ['/proc', 'r', ['/proc/meminfo', '/proc/cpuinfo', '/proc/stat'], undefined, HOSTWARD],
  // A sensor that is started under the rules finds out by them whether BPF-LSM works, and loads programs of its version.
  [
    'what tells of BPF',
    'r',
    [
      '/sys/kernel/security/lsm',
      '/sys/kernel/btf/vmlinux',
      '/sys/fs/cgroup/',
      '/sys/fs/cgroup/cgroup.controllers',
      '/proc/kallsyms',
    ],
    ROOT,
    HOSTWARD,
  ],
  [
    'the pins of the BPF programs, without which nobody could take the rules away',
    'rw',
    ['/sys/fs/bpf/', '/sys/fs/bpf/hostward/', '/sys/fs/bpf/hostward/0/rules'],
    ROOT,
    HOSTWARD,
  ],
];

/** Everything of the control path, the host's own part included. */
export function controlPath(facts: ControlPathFacts): readonly ProtectedPath[] {
  return [
    ...controlLibraries(facts.multiarch ?? 'x86_64-linux-gnu'),
    ...ROWS.flatMap(rows),
    ...(facts.paths ?? []),
  ];
}

/** The keys that sshd reads of those who log in; `homes` are their folders. */
export function authorizedKeys(homes: readonly string[]): readonly ProtectedPath[] {
  return rows(keysOf(homes));
}

/** What people get when they log in: without it nobody reaches the host, though sshd lets them in. */
export function loginShells(shells: readonly string[]): readonly ProtectedPath[] {
  return shells.flatMap((shell) =>
    rows(['the shell of a login', 'rmx', [shell], undefined, [shell, ...SSHD, ...LOGIN, ...SUDO]]),
  );
}

/** How an operator becomes root where sudo is not installed, as on a Debian whose root has a password. */
export function waysToRoot(has: (path: string) => boolean): readonly ProtectedPath[] {
  if (SUDO.some(has)) return [];
  const what = 'su, as there is no sudo';
  return SU.filter(has).flatMap((su) => [
    ...rows([what, 'rmx', [su]]),
    ...rows([what, 'r', ['/etc/pam.d/su', '/etc/passwd', '/etc/shadow'], ROOT, [su]]),
  ]);
}

/** What a host needs to have an address, of the clients that it has; others are no reason to refuse anything. */
export function addressClients(has: (path: string) => boolean): readonly ProtectedPath[] {
  return ADDRESS_CLIENTS.filter(({ program }) => has(program)).flatMap(
    ({ program, runs, reads }) => {
      const what = 'what gives the host its address';
      return [
        ...rows([what, 'rmx', [program, ...runs], ROOT, [program, ...runs]]),
        ...rows([what, 'r', reads, ROOT, [program]]),
      ];
    },
  );
}

export interface ProtectedCells {
  readonly what: string;
  /** Each by the names that it has in rules of AppArmor and in those for BPF. */
  readonly cells: readonly (readonly string[])[];
  /** Programs that need it where a rule is limited to sources. */
  readonly by: readonly string[];
}

const capabilities = (...names: string[]): ProtectedCells['cells'] =>
  names.map((name) => [`capability ${name}`]);

const sockets = (type: string, protocol: string): ProtectedCells['cells'] =>
  ['inet', 'inet6'].map((family) => [`${family} ${type}`, `${family} ${protocol}`]);

/** Who may have to ask DNS for the control plane, beside any other resolver of the host. */
export const ASKERS: readonly string[] = [...NAMES, ...HOSTWARD];

/** Sockets and capabilities without which nobody logs in and nothing is repaired. */
const CELLS: readonly ProtectedCells[] = [
  {
    what: 'connections to the control plane and of sshd',
    cells: sockets('stream', 'tcp'),
    by: [...SSHD, ...HOSTWARD],
  },
  {
    what: 'name resolution and DHCP',
    cells: sockets('dgram', 'udp'),
    by: [...SSHD, ...ADDRESSERS, ...HOSTWARD],
  },
  // A lease is asked for before there is an address: noticed at the next boot.
  {
    what: 'DHCP',
    cells: [['packet dgram'], ...capabilities('net_raw', 'net_admin')],
    by: ADDRESSERS,
  },
  {
    what: 'logins',
    cells: capabilities(
      'setuid',
      'setgid',
      'chown',
      'fowner',
      'kill',
      'dac_override',
      'dac_read_search',
      'sys_chroot',
      'audit_write',
    ),
    by: [...SSHD, ...SUDO, ...LOGIN],
  },
  {
    what: 'services',
    cells: capabilities(
      'sys_admin',
      'sys_resource',
      'setpcap',
      'setuid',
      'setgid',
      'net_bind_service',
      'net_admin',
      'fsetid',
    ),
    by: [...SYSTEMD, ...NAMES],
  },
];

/**
 * What the BPF enforcer loads and swaps rule sets by, those that take rules away too; in AppArmor the sensor is exempt. Of
 * its unit's (libs/sensor/native/systemd/hostward-sensor.service); without sys_ptrace it sees less, and says so.
 */
const BPF_CELLS: ProtectedCells = {
  what: 'the enforcer',
  cells: capabilities(
    ...['bpf', 'perfmon', 'syslog', 'net_admin'],
    ...['dac_override', 'dac_read_search', 'chown', 'kill'],
  ),
  by: ['/usr/lib/hostward/hostward-sensor', '/usr/sbin/hostward-sensor'],
};

export function protectedCells({ bpf = false }: ControlPathFacts): readonly ProtectedCells[] {
  return bpf ? [...CELLS, BPF_CELLS] : CELLS;
}

const MERGED = ['/bin', '/sbin', '/lib', '/lib64'];

/** A Debian host of which nothing is known: merged /usr, /var/run in /run. For refusing early, before a host is asked. */
export const GENERIC_DEBIAN = {
  resolve: (path: string): readonly string[] => {
    const link = MERGED.find((dir) => path === dir || path.startsWith(`${dir}/`));
    if (link !== undefined) return [path, `/usr${path}`];
    if (path === '/var/run' || path.startsWith('/var/run/'))
      return [path, path.slice('/var'.length)];
    return [path];
  },
  facts: {} satisfies ControlPathFacts,
} as const;
