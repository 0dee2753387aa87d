export { ConfigError } from './config-error.js';
export { parseConfig } from './config.js';
export type { AgentRedis, ServerConfig, TlsFiles } from './config.js';
