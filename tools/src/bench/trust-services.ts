import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import {
  enrolAgent,
  joinTokenFor,
  writeAgentConfig,
} from '../../../apps/cli/src/embedded/local-agent.js';
import { PrivateControlPlane } from '../../../apps/cli/src/embedded/private-control-plane.js';
import { appMain } from '../../../apps/cli/src/product/package-root.js';
import { aclCase } from './acl-bench.js';
import { assignmentCase } from './assignment-bench.js';
import { BenchRedis } from './bench-redis.js';
import type { BenchReport } from './bench-report.js';
import { mutualTls, reconnectCase } from './reconnect-bench.js';
import { restCase } from './rest-bench.js';
import type { TrustFleet } from './trust-fleet.js';
import { Unguarded } from './unguarded.js';

/** Sizes of the cases that need real services. */
export interface ServiceSizes {
  readonly hosts: number;
  readonly agents: number;
  readonly requests: number;
}

const NODE = 'bench-host';
const RESTARTS = 3;

/** What is to be ended, newest first. */
type Endings = (() => Promise<unknown>)[];

/** The cases that need a control plane, a Redis and a replica, all made for them and ended after them. */
export async function serviceCases(
  report: BenchReport,
  fleet: TrustFleet,
  { hosts, agents, requests }: ServiceSizes,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const endings: Endings = [() => rm(folder, { recursive: true, force: true })];
  try {
    const own = new PrivateControlPlane(folder);
    endings.push(() => own.down());
    report.note('\nstarting a control plane');
    const { url, caFingerprint, children } = await own.up();
    const context = await own.context();
    const stateDir = await enrolled({ folder, url, caFingerprint }, new ControlPlane(context));
    const unguarded = await Unguarded.start(
      join(own.dataDir, 'control-plane', 'control-plane.yaml'),
      join(folder, 'replica'),
    );
    endings.push(() => unguarded.stop());
    const targets = { context, unguardedUrl: unguarded.url, node: NODE };
    await restCase(report, targets, requests, signal);
    await unguarded.stop();
    const redis = await BenchRedis.start(join(folder, 'redis'));
    endings.push(() => redis.stop());
    const users = Math.max(hosts, agents);
    await aclCase(report, redis, { hosts: users, rounds: RESTARTS }, signal);
    await assignmentCase(report, { redis, fleet }, agents, signal);
    const pid = children['control plane'] ?? 0;
    const controlPlane = await mutualTls(stateDir, { url, pid });
    await reconnectCase(report, { redis, controlPlane }, agents, signal);
  } finally {
    for (const end of endings.toReversed()) await end();
  }
}

/** A host that joined; its state folder. */
async function enrolled(
  at: { readonly folder: string; readonly url: string; readonly caFingerprint: string },
  controlPlane: ControlPlane,
): Promise<string> {
  const { url, caFingerprint } = at;
  const dir = join(at.folder, 'agent');
  const agent = { program: appMain('agent'), dir, url, caFingerprint, name: NODE };
  try {
    await enrolAgent(agent, await writeAgentConfig(agent), await joinTokenFor(controlPlane));
  } finally {
    controlPlane.close();
  }
  return join(dir, 'state');
}
