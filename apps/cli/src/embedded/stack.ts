import { unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ControlPlane } from '../client/control-plane.js';
import { appMain } from '../product/package-root.js';
import {
  controlPlaneProgram,
  initialise,
  type InitOptions,
  type Material,
} from './control-plane.js';
import { etcdProgram } from './etcd.js';
import { agentProgram, localNodeName, type LocalAgent } from './local-agent.js';
import { startLocalAgent } from './local-agent-start.js';
import { choosePorts, type Ports } from './ports.js';
import { redisCommand, redisProgram } from './redis.js';
import { ServerKeys } from './server-keys.js';
import { Supervised, type Program } from './supervised.js';
import { RenewalByClock } from './renewal-by-clock.js';
import { provideForToken, upContext, type UpContext } from './up-context.js';
import { bracketed, isWildcard, reachable } from './hosts.js';
import { until } from './wait.js';

export interface StackOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly names: readonly string[];
  readonly localAgent: boolean;
  /** The admin token is made anew; who holds the data folder may do that, and it is recorded in the audit log. */
  readonly resetAdminToken?: boolean;
  /** The operator's own CA, absolute paths; taken over at the first start. */
  readonly ca?: { readonly cert: string; readonly key: string };
  /** Channel keys in etcd are wrapped under a new key. */
  readonly rotateChannelKeyKey?: boolean;
  /** Absolute; holds the passphrase under which the control plane's keys lie. */
  readonly passphraseFile?: string;
  /** Absolute; folder of the packages that hosts may fetch. */
  readonly packagesDir: string;
  readonly tell: (message: string) => void;
  /** Something was started, also again after it had ended: `children` has changed. */
  readonly onLaunch: (stack: Stack) => void;
  /** Ends the start in its middle. */
  readonly signal: AbortSignal;
}

const READY_WITHIN_MS = 120_000;
const REPORTS_WITHIN_MS = 60_000;
const POLL_MS = 50;
const LOOK_AT_CLOCK_MS = 60_000;
const LOOK_AT_CA_MS = 1_000;

/** Everything `up` runs on this machine, started in the order of its needs and stopped in the reverse one. */
export class Stack {
  private readonly running: Supervised[] = [];
  private renewal: NodeJS.Timeout | undefined;
  /** What is not well although it serves, as `/readyz` tells it. */
  notReady: readonly string[] = [];

  private constructor(
    private readonly options: StackOptions,
    readonly material: Material,
    readonly context: UpContext,
    private readonly serverKeys: ServerKeys,
  ) {}

  /** Starts all; what was started is stopped again when a later part fails. */
  static async start(options: StackOptions): Promise<Stack> {
    const ports = await choosePorts(options.dataDir, options.host);
    const serverKeys = new ServerKeys();
    const wanted = { ...materialOf(options, ports), serverKeys };
    const { resetAdminToken, rotateChannelKeyKey, ca } = options;
    await provideForToken();
    const material = await initialise({ ...wanted, resetAdminToken, rotateChannelKeyKey, ca });
    const context = await upContext(material, urlOf(options), options.dataDir);
    const stack = new Stack(options, material, context, serverKeys);
    try {
      await stack.startAll(ports);
      const renewals = new RenewalByClock(() => stack.renew(wanted), Date.now);
      stack.renewal = setInterval(() => void renewals.look(), LOOK_AT_CLOCK_MS);
      // Replacing the CA is done by the control plane; what is of the CA before is made anew here at once.
      watchFile(
        material.authorityFile,
        { interval: LOOK_AT_CA_MS },
        () => void stack.renew(wanted),
      );
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get url(): string {
    return urlOf(this.options);
  }

  /** Pids by program name. */
  get children(): Record<string, number> {
    return Object.fromEntries(this.running.map(({ program, pid }) => [program.name, pid ?? 0]));
  }

  async stop(): Promise<void> {
    clearInterval(this.renewal);
    unwatchFile(this.material.authorityFile);
    for (const supervised of this.running.toReversed()) {
      await supervised.stop();
      this.options.tell(`stopped ${supervised.program.name}`);
    }
    this.serverKeys.close();
  }

  private async startAll(ports: Ports): Promise<void> {
    const { dataDir, host, port } = this.options;
    const { etcd, redis, configFile } = this.material;
    const { etcdClient: clientPort, etcdPeer: peerPort } = ports;
    const keys = this.serverKeys;
    await this.run(etcdProgram({ dataDir, clientPort, peerPort, tls: etcd, keys }));
    const command = await redisCommand();
    for (const [serves, at] of [
      ['control', ports.redis],
      ['events', ports.redisEvents],
    ] as const)
      await this.run(
        await redisProgram({ serves, command, dataDir, host, port: at, files: redis, keys }),
      );
    const served = { host: reachable(host), port };
    await this.run(controlPlaneProgram(configFile, dataDir, served, keys));
    const controlPlane = new ControlPlane(this.context);
    try {
      await until(() => answers(controlPlane), this.within(READY_WITHIN_MS));
      this.notReady = await this.whatIsMissing(controlPlane);
      if (this.options.localAgent) await this.startLocalAgent(controlPlane);
    } finally {
      controlPlane.close();
    }
  }

  /**
   * What is still not well after its time. It serves all the same: a disk that is full of alerts must not keep an
   * operator from a control plane.
   */
  private async whatIsMissing(controlPlane: ControlPlane): Promise<string[]> {
    const deadline = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const found = await missing(controlPlane);
      if (found.length === 0 || Date.now() > deadline) return found;
      await delay(POLL_MS, undefined, { signal: this.options.signal });
    }
  }

  private async renew(wanted: InitOptions): Promise<boolean> {
    try {
      await initialise(wanted);
      return true;
    } catch (error) {
      this.options.tell(`certificates were not renewed, trying again later: ${String(error)}`);
      return false;
    }
  }

  private async run(program: Program): Promise<void> {
    this.options.signal.throwIfAborted();
    const { tell, onLaunch, signal } = this.options;
    const supervised = new Supervised(program, tell, () => onLaunch(this));
    this.running.push(supervised);
    await supervised.start(signal);
  }

  private within(timeoutMs: number): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(timeoutMs), this.options.signal]);
  }

  private async startLocalAgent(controlPlane: ControlPlane): Promise<void> {
    const { dataDir, signal } = this.options;
    const agent: LocalAgent = {
      program: appMain('agent'),
      dir: join(dataDir, 'agent'),
      url: this.url,
      caFingerprint: this.material.caFingerprint,
      name: localNodeName(),
    };
    const why = await startLocalAgent(agent, {
      controlPlane,
      knowsToken: this.context.knowsToken,
      run: (config) => this.run(agentProgram(agent, config, dataDir)),
      reportsWithinMs: REPORTS_WITHIN_MS,
      signal,
    });
    if (why !== undefined) this.notReady = [...this.notReady, why];
  }
}

/** Where this machine reaches it. */
export function urlOf({ host, port }: Pick<StackOptions, 'host' | 'port'>): string {
  return `https://${bracketed(reachable(host))}:${port}`;
}

function materialOf(options: StackOptions, ports: Ports): Omit<InitOptions, 'serverKeys'> {
  const { dataDir, host, port, names, passphraseFile, packagesDir } = options;
  return {
    passphraseFile,
    packagesDir,
    dataDir: join(dataDir, 'control-plane'),
    listen: `${bracketed(host)}:${port}`,
    names: isWildcard(host) ? names : [...names, host],
    etcd: `https://127.0.0.1:${ports.etcdClient}`,
    redis: `127.0.0.1:${ports.redis}`,
    redisEvents: `127.0.0.1:${ports.redisEvents}`,
  };
}

async function answers(controlPlane: ControlPlane): Promise<void> {
  await controlPlane.call('/healthz');
}

interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly detail: string;
  }[];
}

async function missing(controlPlane: ControlPlane): Promise<string[]> {
  const { body } = await controlPlane.answer('/readyz');
  const { checks } = body as Readiness;
  return checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
}
