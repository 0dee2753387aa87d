import { AsyncLocalStorage } from 'node:async_hooks';
import type { CallerView, Role } from '#contracts';
import { permissionsOf, type Permission } from './permission.js';
import type { Scope } from './scope.js';

/** The break-in account: whoever holds the token that `up` printed. */
const ADMIN = 'admin';

/** What acts by itself: ends of suspensions and exceptions. */
export const SYSTEM = 'hostward';

/** Who calls: what it may do, and on which hosts. */
export interface Caller {
  /** As the audit log names it. */
  readonly actor: string;
  /** Address it calls from. */
  readonly source: string;
  readonly roles: readonly Role[];
  readonly permissions: ReadonlySet<Permission>;
  /** Absent: the whole fleet. */
  readonly scope?: Scope;
  /** Of the token it showed; absent for the break-in account. */
  readonly tokenId?: string;
  readonly expiresAt?: string;
  /** Whether what it showed still counts: revoked and expired tokens end streams too. */
  readonly stillCounts: () => boolean;
}

/** Whoever calls a route that is open: the route has a credential of its own, or needs none. */
interface Stranger {
  readonly source: string;
  readonly actor?: undefined;
}

const current = new AsyncLocalStorage<Caller | Stranger>();
const known = new WeakMap<object, Caller | Stranger>();

/** Remembers who made a request; `request` is the raw one. */
export function setCaller(request: object, caller: Caller | Stranger): void {
  known.set(request, caller);
}

/** Who made a request, once the guard has seen it. */
export function callerOf(request: object): Caller | undefined {
  const found = known.get(request);
  return found?.actor === undefined ? undefined : found;
}

/** Runs the handling of a request as its caller. Without a caller nothing runs: the guard comes first. */
export function asCallerOf<T>(request: object, run: () => T): T {
  const found = known.get(request);
  if (found === undefined) throw new Error('a request is handled that no guard has seen');
  return current.run(found, run);
}

/** The caller of the request that is being handled; undefined in open routes and in what runs by itself. */
export function currentCaller(): Caller | undefined {
  const found = current.getStore();
  return found?.actor === undefined ? undefined : found;
}

/** Address of whoever calls; undefined for what runs by itself. */
export function currentSource(): string | undefined {
  return current.getStore()?.source;
}

/** Who acts, as records and the audit log name it. */
export function actor(): string {
  return currentCaller()?.actor ?? SYSTEM;
}

/** The break-in account, calling from `source`. */
export function adminCaller(source: string, stillCounts = () => true): Caller {
  const roles: readonly Role[] = ['admin'];
  return { actor: ADMIN, source, roles, permissions: permissionsOf(roles, false), stillCounts };
}

/** A caller as REST shows it. */
export function callerView({ actor, roles, permissions, scope, expiresAt }: Caller): CallerView {
  return { actor, roles, permissions: [...permissions].sort(), selector: scope?.text, expiresAt };
}
