import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Log, describeError } from '#observability';
import { ConfigError } from './config/index.js';
import { loadMaterial } from './config/material.js';
import { readConfig } from './config/read-config.js';
import { init } from './init/init.js';
import { parseInitOptions } from './init/options.js';
import { passphrase } from './init/passphrase.js';
import { serve } from './server/serve.js';
import { openSecret } from './vault/open-secret.js';

const USAGE = `usage:
  control-plane init --data-dir D [--listen HOST:PORT] [--names a,b] [--etcd URL] [--redis HOST:PORT] [--redis-events HOST:PORT] [--passphrase-file F]
                     [--ca-cert F --ca-key F]
      makes keys, certificates and the configuration where they are missing; answers one JSON object
  control-plane passphrase --data-dir D [--passphrase-file OLD] --new-passphrase-file NEW | --remove
      encrypts the control plane's keys, changes their passphrase, or takes it away; answers one JSON object
  control-plane open-secret --file FILE [--passphrase-file F | --passphrase-stdin]
      answers the secret in a sealed file, to a program of its owner's that signs with it
  control-plane serve --config FILE
`;
const SHUTDOWN_MS = 15_000;

async function main(args: readonly string[]): Promise<number> {
  const [mode, ...rest] = args;
  if (mode === 'init') {
    process.stdout.write(`${JSON.stringify(await init(parseInitOptions(rest)))}\n`);
    return 0;
  }
  if (mode === 'passphrase') {
    process.stdout.write(`${JSON.stringify(passphrase(rest))}\n`);
    return 0;
  }
  if (mode === 'open-secret') {
    process.stdout.write(openSecret(rest, () => readFileSync(0, 'utf8')));
    return 0;
  }
  if (mode === 'serve') return runUntilSignal(rest);
  process.stderr.write(USAGE);
  return 2;
}

async function runUntilSignal(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  if (values.config === undefined)
    throw new ConfigError('--config', 'missing', 'must name the configuration file');
  const config = readConfig(values.config);
  const log = new Log({ level: config.logLevel, fields: { program: 'control-plane' } });
  const serving = await serve(config, loadMaterial(config), log);
  // Supervisors wait for this line.
  process.stdout.write(`${JSON.stringify({ listening: serving.url })}\n`);
  log.info('listening', { url: serving.url });
  await signalled();
  log.info('shutting down');
  // Whatever hangs must not keep a supervisor waiting for ever.
  setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
  await serving.stop();
  return 0;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

main(process.argv.slice(2)).then(
  // Not by itself: a TLS connection that was refused can make Node spin for ever while it clears up (seen on 26.10).
  (code) => process.exit(code),
  (error: unknown) => {
    const text = error instanceof ConfigError ? error.message : describeError(error);
    process.stderr.write(`hostward control-plane: ${text}\n`);
    process.exit(1);
  },
);
