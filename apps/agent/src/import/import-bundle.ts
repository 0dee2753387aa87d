import { readFile, stat } from 'node:fs/promises';
import { limits } from '#bundle';
import { SocketSensor } from '#sensor';
import { loadConfig } from '../config/agent-config.js';
import { VERSION } from '../config/version.js';

/** Base64 and the record around it; the compiler has the exact bound. */
const MAX_FILE_BYTES = 2 * limits.bundleBytes;

/**
 * Hands a file of `hostward bundle export` to the sensor, by the way that the agent's go: nothing in it is believed
 * before the compiler has verified it, and nothing older than what is in force is taken. Answers what is in force then.
 * @throws Error where the file cannot be read or the sensor refuses it
 */
export async function importBundle(file: string, configFile: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES)
    throw new Error(`${file} has ${size} bytes, a bundle has at most ${MAX_FILE_BYTES}`);
  const envelope = await readFile(file);
  const sensor = new SocketSensor({ path: loadConfig(configFile).sensorSocket, version: VERSION });
  try {
    const { outcome, assignmentVersion } = await sensor.apply(envelope);
    if (!outcome.ok) throw new Error(`${outcome.code ?? 'failed'}: ${outcome.message ?? ''}`);
    return `generation ${assignmentVersion?.generation ?? '?'} is in force`;
  } finally {
    await sensor.close();
  }
}
