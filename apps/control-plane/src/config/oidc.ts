import { ROLES, type Role } from '#contracts';
import { SelectorSyntaxError } from '#policy-model';
import { Scope } from '../auth/scope.js';
import type { Fields } from './fields.js';

/** What those get whose claim has a value. */
interface OidcMapping {
  readonly value: string;
  readonly roles: readonly Role[];
  /** The hosts they see and touch, as a label selector; absent: the whole fleet. */
  readonly selector?: string;
}

/** An identity provider whose people may log in; `ca` is an absolute path. */
export interface OidcConfig {
  readonly issuer: string;
  /** Of a public client: no secret, PKCE, a loopback redirect. */
  readonly clientId: string;
  /** What an ID token must name as an audience beside the client. */
  readonly audience?: string;
  readonly scopes: readonly string[];
  readonly rolesClaim: string;
  /** The first one whose value the claim has decides; who has none is refused. */
  readonly roles: readonly OidcMapping[];
  readonly ca?: string;
}

/** Reads the section `oidc`; throws ConfigError. */
export function readOidc(
  fields: Fields | undefined,
  at: (path: string) => string,
): OidcConfig | undefined {
  if (!fields) return undefined;
  const ca = fields.optionalText('ca');
  const oidc: OidcConfig = {
    issuer: readIssuer(fields),
    clientId: fields.text('clientId'),
    audience: fields.optionalText('audience'),
    scopes: readScopes(fields),
    rolesClaim: fields.optionalText('rolesClaim') ?? 'groups',
    roles: fields.sections('roles').map(readMapping),
    ca: ca && at(ca),
  };
  fields.end();
  return oidc;
}

function readIssuer(fields: Fields): string {
  const issuer = fields.text('issuer');
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === '')
    return issuer;
  throw fields.refuse('issuer', 'must be an https URL without query and fragment');
}

function readScopes(fields: Fields): readonly string[] {
  if (!fields.has('scopes')) return ['openid', 'profile'];
  const scopes = fields.texts('scopes');
  if (scopes.includes('openid') && scopes.every((scope) => /^[\x21-\x7e]+$/.test(scope)))
    return scopes;
  throw fields.refuse('scopes', 'must have openid among them, and no scope with spaces');
}

function readMapping(fields: Fields): OidcMapping {
  const mapping = {
    value: fields.text('value'),
    roles: fields.texts('roles').map((role) => roleOf(fields, role)),
    selector: readSelector(fields),
  };
  fields.end();
  return mapping;
}

function roleOf(fields: Fields, text: string): Role {
  const role = ROLES.find((each) => each === text);
  if (role !== undefined) return role;
  throw fields.refuse('roles', `must be a list of ${ROLES.join(', ')}`);
}

function readSelector(fields: Fields): string | undefined {
  const text = fields.optionalText('selector');
  try {
    return text === undefined ? undefined : Scope.parse(text).text;
  } catch (error) {
    if (!(error instanceof SelectorSyntaxError)) throw error;
    throw fields.refuse('selector', `must be a label selector: ${error.message}`);
  }
}
