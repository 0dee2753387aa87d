import { readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { env } from 'node:process';
import { ConfigError } from './config-error.js';
import { parseConfig, type ServerConfig } from './config.js';

/**
 * Reads the configuration file, and the environment above it; throws ConfigError. Relative paths in it are taken from the
 * folder where it lies, also where a link led to it.
 */
export function readConfig(path: string): ServerConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('--config', path, `cannot be read: ${reason}`, { cause });
  }
  return parseConfig(text, dirname(realpathSync(path)), env);
}
