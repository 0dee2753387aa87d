import { Log } from '#observability';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { markWhenGrown } from '../server/marking.js';
import { serve, type Serving } from '../server/serve.js';

const SHUTDOWN_MS = 15_000;

/** Runs the control plane of a configuration file until SIGTERM or SIGINT. Throws ConfigError. */
export async function serveUntilSignal(file: string): Promise<void> {
  const config = readConfig(file);
  const log = new Log({ level: config.logLevel, fields: { program: 'control-plane' } });
  markWhenGrown();
  const serving = await serve(config, loadMaterial(config), log);
  // Supervisors wait for this line.
  process.stdout.write(`${JSON.stringify({ listening: serving.url })}\n`);
  log.info('listening', { url: serving.url });
  process.on('SIGHUP', () => void reload(file, serving, log));
  await signalled();
  log.info('shutting down');
  // Whatever hangs must not keep a supervisor waiting for ever.
  setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
  await serving.stop();
}

/** What cannot be used changes nothing. */
async function reload(file: string, serving: Serving, log: Log): Promise<void> {
  try {
    await serving.reload(readConfig(file));
  } catch (error) {
    log.error('the configuration was not taken in: what was in force stays', { error });
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}
