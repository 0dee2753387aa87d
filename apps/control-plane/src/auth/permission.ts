import type { Role } from '#contracts';

/** Everything that a route or a write can ask for. */
const PERMISSIONS = [
  'self',
  'fleet:read',
  'alerts:read',
  'metrics:read',
  'audit-log:read',
  'nodes:write',
  'join-tokens:read',
  'join-tokens:write',
  'suspensions:write',
  'policies:write',
  'policies:privileged',
  'exceptions:write',
  'people:read',
  'people:write',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** What a scope cannot narrow: a caller whose roles are scoped has none of these. */
const FLEET_WIDE: ReadonlySet<Permission> = new Set([
  'metrics:read',
  'audit-log:read',
  'people:read',
  'people:write',
]);

const READING: readonly Permission[] = ['self', 'fleet:read', 'alerts:read', 'metrics:read'];

const BY_ROLE: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: READING,
  operator: [
    ...READING,
    'nodes:write',
    'join-tokens:read',
    'join-tokens:write',
    'suspensions:write',
  ],
  author: [...READING, 'policies:write'],
  approver: [...READING, 'policies:privileged', 'exceptions:write', 'audit-log:read'],
  admin: PERMISSIONS,
};

/** What somebody with these roles may do, in the whole fleet or in a scope. */
export function permissionsOf(roles: readonly Role[], scoped: boolean): ReadonlySet<Permission> {
  const all = roles.flatMap((role) => BY_ROLE[role]);
  return new Set(scoped ? all.filter((permission) => !FLEET_WIDE.has(permission)) : all);
}

/** The roles that have a permission, for messages. */
export function rolesWith(permission: Permission): readonly Role[] {
  const roles = Object.keys(BY_ROLE) as Role[];
  return roles.filter((role) => BY_ROLE[role].includes(permission));
}
