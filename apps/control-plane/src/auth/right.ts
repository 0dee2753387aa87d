import type { Role } from '#contracts';

/** Everything that a route or a write can ask for. */
const RIGHTS = [
  'self',
  'fleet:read',
  'alerts:read',
  'metrics:read',
  'journal:read',
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
export type Right = (typeof RIGHTS)[number];

/** What a scope cannot narrow: a caller whose roles are scoped has none of these. */
const FLEET_WIDE: ReadonlySet<Right> = new Set([
  'metrics:read',
  'journal:read',
  'people:read',
  'people:write',
]);

const READING: readonly Right[] = ['self', 'fleet:read', 'alerts:read', 'metrics:read'];

const BY_ROLE: Readonly<Record<Role, readonly Right[]>> = {
  viewer: READING,
  operator: [
    ...READING,
    'nodes:write',
    'join-tokens:read',
    'join-tokens:write',
    'suspensions:write',
  ],
  author: [...READING, 'policies:write'],
  approver: [...READING, 'policies:privileged', 'exceptions:write', 'journal:read'],
  admin: RIGHTS,
};

/** What somebody with these roles may do, in the whole fleet or in a scope. */
export function rightsOf(roles: readonly Role[], scoped: boolean): ReadonlySet<Right> {
  const all = roles.flatMap((role) => BY_ROLE[role]);
  return new Set(scoped ? all.filter((right) => !FLEET_WIDE.has(right)) : all);
}

/** The roles that have a right, for messages. */
export function rolesWith(right: Right): readonly Role[] {
  const roles = Object.keys(BY_ROLE) as Role[];
  return roles.filter((role) => BY_ROLE[role].includes(right));
}
