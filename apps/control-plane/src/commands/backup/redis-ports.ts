import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { writePrivate } from '../../config/private-file.js';

/**
 * Writes the ports of Redis that hosts know into the file where `up` keeps those that it has chosen: it must not choose
 * others. Before the folder is in place, since an `up` that finds that alone does.
 */
export function keepRedisPorts(file: string, dataDir: string): void {
  const text = readFileSync(join(dataDir, 'control-plane.yaml'), 'utf8');
  const { redis } = parse(text) as { redis: { port: number; events?: { port: number } } };
  const ports = { redis: redis.port, redisEvents: redis.events?.port ?? redis.port };
  writePrivate(file, JSON.stringify(ports));
}
