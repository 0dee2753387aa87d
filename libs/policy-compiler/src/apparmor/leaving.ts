/**
 * Who is outside our profiles, and how. PID 1, its executor, the sensor and the daemons that start containers have
 * profiles of the package with nothing denied. Their attachments count for PID 1 and its executor alone, which are
 * unconfined: so a service is in the catch-all alone (or in its source's profile), whatever NoNewPrivileges says, and a
 * new rule set reaches it while it runs, which Linux 6.12 does once only for a stack of profiles. From anywhere else
 * every exec keeps the catch-all, and no change_profile takes it off. A rule by path in the catch-all would not do: in a
 * mount namespace of his own any user puts what he likes at any path.
 */
import type { Mode } from './class-lines.js';
import { compileGlob } from '../resolve/glob.js';
import { INIT_PROFILE, RUNTIME_PROFILE, SENSOR_PROFILE } from '../resolve/names.js';

/** Exec of a source that must leave the catch-all by a rule, since stacking by attachment does not serve it. */
export interface Transition {
  readonly source: string;
  readonly permission: string;
  /** In every variant: it is about more than rules. Others exist for a denial, and only where there is one. */
  readonly always?: true;
}

/** Attachments of the package's profiles, as in libs/sensor/native/apparmor. */
export const EXEMPT_ATTACHMENTS: Readonly<Record<string, string>> = {
  [INIT_PROFILE]: '/{usr/,}lib/systemd/systemd{,-executor}',
  [SENSOR_PROFILE]: '/usr/lib/hostward/hostward-sensor',
  [RUNTIME_PROFILE]:
    '/{usr/{,local/}{bin,sbin}/{containerd{,-shim,-shim-runc-v[12]},docker{d,-init,-proxy},crio,conmon,conmonrs,crun,runc,youki,podman,buildkitd,buildkit-runc,k3s,rke2,incusd,lxd,lxc-*},usr/libexec/lxc/lxc-containers}',
};

const EXEMPT = Object.values(EXEMPT_ATTACHMENTS).map((glob) => compileGlob(glob));

/** Whether a program runs outside our profiles when systemd starts it, so that no rule can bind it as a source. */
export function isExempt(program: string): boolean {
  return EXEMPT.some((matches) => matches(program));
}

/** Daemons with profiles of their own that rule what they may change to; stacked on ours they could not. */
const CHANGING = new Set([
  '/usr/sbin/libvirtd',
  '/usr/sbin/virtqemud',
  '/usr/sbin/virtlxcd',
  '/usr/lib/snapd/snapd',
]);

/** Whether a program that systemd starts must stay in its own profile alone. */
export function keepsOwnProfile(program: string): boolean {
  return CHANGING.has(program) || isExempt(program);
}

/**
 * snap-confine is started by users and must change to the profile of the snap. It stays in its own profile, which says
 * to which; only where that is loaded, since whoever fakes its path is then bound by it.
 */
const SNAP_CONFINE = '/usr/lib/snapd/snap-confine';

type Attached = (program: string) => string | undefined;

/** Programs that leave the catch-all by a profile of their own, of those that this host has. */
export function leavingByOwnProfile(attached: Attached): readonly Transition[] {
  if (attached(SNAP_CONFINE) === undefined) return [];
  return [{ source: SNAP_CONFINE, always: true, permission: `pix -> &${RUNTIME_PROFILE}` }];
}

/**
 * Rules about change_profile, the same in every variant, since who has left while nothing was blocked does not come
 * back; and about reaching for what is exempt.
 */
export function leavingLines(profile: string, mode: Mode): readonly string[] {
  const guards = [SENSOR_PROFILE, INIT_PROFILE].flatMap((peer) => [
    `deny ptrace (trace) peer=${peer},`,
    ...(peer === SENSOR_PROFILE ? [`deny signal (send) peer=${peer},`] : []),
  ]);
  return [
    'ptrace,',
    'signal,',
    ...(mode === 'enforce' ? guards : []),
    'change_profile -> &**,',
    // Any label that still has the profile in it; a colon would begin a policy namespace.
    `change_profile -> "{[^:]**//&,}${profile}{,//&[^:]**}",`,
  ];
}
