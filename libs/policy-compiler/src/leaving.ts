/**
 * Who may leave our profiles, and how. Nobody by change_profile: it may add profiles to a label, never take ours off it.
 * By exec only what PID 1 starts: systemd's executor has a profile of its own that nothing but an unconfined process
 * enters alone (any other gets it stacked on what it has, which gives nothing). Through it units have the
 * `AppArmorProfile=` that they name, the sensor gets its exempt profile and container runtimes, which put a profile on
 * what they start and set NoNewPrivileges before, theirs. A rule by path in the catch-all would not do: in a mount
 * namespace of his own any user puts what he likes at any path.
 */
import type { Mode } from './class-lines.js';
import { CATCH_ALL, EXECUTOR_PROFILE, RUNTIME_PROFILE, SENSOR_PROFILE } from './names.js';

/** Exec of a source that must leave the catch-all by a rule, since stacking by attachment does not serve it. */
export interface Transition {
  readonly source: string;
  /** Permission of the exec; `carried`: the stack that every exec of the profile leads to. */
  readonly permission: (carried: string) => string;
  /** In every variant: it is about more than rules. Others exist for a denial, and only where there is one. */
  readonly always?: true;
}

/** A daemon that starts containers, run by systemd. Its runtime programs find the profile by its attachment. */
const RUNTIME_DAEMONS = [
  'containerd',
  'dockerd',
  'crio',
  'podman',
  'buildkitd',
  'k3s',
  'rke2',
  'incusd',
  'lxd',
  'lxc-start',
  'lxc-autostart',
  'runc',
  'crun',
].flatMap((name) =>
  ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'].map((dir) => `${dir}/${name}`),
);

/** They have profiles of their own that rule what they may change to. */
const OWN_PROFILE_DAEMONS = [
  '/usr/sbin/libvirtd',
  '/usr/sbin/virtqemud',
  '/usr/sbin/virtlxcd',
  '/usr/lib/snapd/snapd',
];

const LXC_SERVICE = '/usr/libexec/lxc/lxc-containers';
const SENSOR = '/usr/lib/hostward/hostward-sensor';

/** What the executor starts outside our profiles. Without the profile named the exec goes on in the executor's own. */
export const EXECUTOR_TRANSITIONS: readonly Transition[] = [
  { source: SENSOR, always: true, permission: () => `pix -> ${SENSOR_PROFILE}` },
  ...[...RUNTIME_DAEMONS, LXC_SERVICE].map((source) => ({
    source,
    always: true as const,
    permission: () => `pix -> ${RUNTIME_PROFILE}`,
  })),
  ...OWN_PROFILE_DAEMONS.map((source) => ({
    source,
    always: true as const,
    permission: () => 'px',
  })),
];

/**
 * snap-confine is started by users and must change to the profile of the snap. It stays in its own profile, which says
 * to which; only where that is loaded, since whoever fakes its path is then bound by it.
 */
const SNAP_CONFINE = '/usr/lib/snapd/snap-confine';

/** Programs that leave the catch-all by a profile of their own, of those that this host has. */
export function leavingByOwnProfile(foreign: ReadonlySet<string>): readonly Transition[] {
  if (!foreign.has(SNAP_CONFINE)) return [];
  return [{ source: SNAP_CONFINE, always: true, permission: () => `pix -> &${RUNTIME_PROFILE}` }];
}

/** The stack that every exec of a profile leads to, beside what the program's own attachment gives. */
export function carriedBy(profile: string): string {
  return profile === EXECUTOR_PROFILE ? `&${EXECUTOR_PROFILE}//&${CATCH_ALL}` : `&${CATCH_ALL}`;
}

/**
 * Rules about change_profile, the same in every variant, since who has left while nothing was blocked does not come
 * back; and about reaching for the sensor.
 */
export function leavingLines(profile: string, mode: Mode): readonly string[] {
  if (profile === EXECUTOR_PROFILE) {
    return ['ptrace,', 'signal,', 'change_profile -> **,', 'change_profile -> &**,'];
  }
  const guards = [
    `deny ptrace (trace) peer=${SENSOR_PROFILE},`,
    `deny signal (send) peer=${SENSOR_PROFILE},`,
  ];
  return [
    'ptrace,',
    'signal,',
    ...(mode === 'enforce' ? guards : []),
    'change_profile -> &**,',
    // Any label that still has the profile in it; a colon would begin a policy namespace.
    `change_profile -> "{[^:]**//&,}${profile}{,//&[^:]**}",`,
  ];
}
