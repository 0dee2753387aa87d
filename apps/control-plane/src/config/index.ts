export { ConfigError } from './config-error.js';
export { parseConfig } from './config.js';
export type { ServerConfig } from './config.js';
export type { TlsFiles } from './tls-files.js';
