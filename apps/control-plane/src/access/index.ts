export { AdminToken } from './admin-token.js';
export { Needs, NeedsToRead, NeedsToWrite } from './needs.decorator.js';
export { Public } from './public.decorator.js';
export { RateLimit } from './rate-limit.js';
export { hashToken, makeToken, tokenMatches } from './token-hash.js';
export { OidcSettings } from './oidc.settings.js';
