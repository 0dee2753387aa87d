export { AdminToken } from './admin-token.js';
export { Public } from './public.decorator.js';
export { RateLimit } from './rate-limit.js';
export { TokenGuard } from './token.guard.js';
export { hashToken, makeToken, tokenMatches } from './token-hash.js';
