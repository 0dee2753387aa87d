export { ConfigError } from './config-error.js';
export { parseConfig } from './config.js';
export type { PairFiles, ServerConfig } from './config.js';
