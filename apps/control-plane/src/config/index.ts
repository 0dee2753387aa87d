export { ConfigError } from './config-error.js';
export { parseConfig } from './config.js';
export type { TlsFiles, ServerConfig } from './config.js';
