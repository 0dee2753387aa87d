import { existsSync } from 'node:fs';
import { loadConfig } from '../config/agent-config.js';
import { hostFiles } from '../config/host-files.js';
import { placeInForce, readPlacement } from '../enrollment/placement.js';
import { runHostScript } from './host-script.js';
import { findingText } from '#contracts';
import { parseFinding } from './finding.js';

/** Where the control plane is asked for, and how the findings are printed. */
export interface PreflightOptions {
  /** agent.yaml; where it is not there yet, the control plane is not looked for unless `url` names it. */
  readonly config: string;
  readonly url?: string;
  readonly json: boolean;
}

/**
 * Tells whether this machine can be a host: 0, or 1 where something would keep it from that. Changes nothing.
 * @throws ConfigRefused for a configuration that cannot be used
 */
export async function preflight({ config, url, json }: PreflightOptions): Promise<number> {
  const target = url ?? (existsSync(config) ? await controlPlaneOf(config) : undefined);
  return runHostScript('preflight.sh', {
    args: target === undefined ? [] : ['--url', target],
    onLine: (line) => {
      process.stdout.write(json ? `${line}\n` : findingText(parseFinding(line)));
    },
  });
}

/** The one that counts; where a redirect led only root and the agent may read. */
async function controlPlaneOf(config: string): Promise<string> {
  const { controlPlane, stateDir } = loadConfig(config);
  const placement = await readPlacement(hostFiles(stateDir).placement).catch(() => undefined);
  return placeInForce(controlPlane, placement)?.url ?? controlPlane.url;
}
