import { describe } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { inspectRoot } from '#bundle';
import { SensorRefusedError, SocketSensor } from '#sensor';
import { AppArmorParser } from '#testing';
import { buildNative } from '../../../libs/sensor/src/fixtures/native-build.js';
import { eventually } from '../../e2e/support/eventually.js';
import { projectRoot } from '../../e2e/support/product.js';

/** What enrolment leaves on a host. */
export interface Identity {
  readonly nodeId: string;
  readonly sealingPrivateKey: string;
  readonly root: unknown;
}

/**
 * The two programs of a host that decide what is enforced, as they are shipped: the sensor (built on a kernel of
 * ordinary files, with sanitizers) and the compiler, each a process of its own. The test is the agent: it hands over
 * whatever an attacker likes.
 */
export class AttackedHost {
  readonly #processes: ChildProcess[] = [];
  readonly #sensor: SocketSensor;
  #log = '';

  private constructor(
    private readonly program: string,
    private readonly dir: string,
  ) {
    this.#sensor = new SocketSensor({ path: join(dir, 'sensor.sock'), callTimeoutMs: 60_000 });
  }

  /** Undefined where the machine has no apparmor_parser: then the suite says that it is skipped. */
  static get parser(): AppArmorParser | undefined {
    return AppArmorParser.find();
  }

  /** Where an agent finds the sensor. */
  get socket(): string {
    return join(this.dir, 'sensor.sock');
  }

  static async start(identity: Identity): Promise<AttackedHost> {
    const out = await buildNative('sanitize');
    const dir = await mkdtemp(join(tmpdir(), 'hostward-attack-'));
    const host = new AttackedHost(join(out, 'sanitize/hostward-sensor-fake'), dir);
    for (const folder of ['trust', 'units', 'root/usr/bin', 'kernel/apparmor/policy/profiles'])
      await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, 'kernel/apparmor/.replace'), '');
    await writeFile(join(dir, 'kernel/lsm'), 'capability,apparmor');
    await host.write('trust/root.json', JSON.stringify(identity.root));
    await host.write('trust/node-id', identity.nodeId);
    await host.write('trust/sealing.key', identity.sealingPrivateKey);
    try {
      await host.run();
      return host;
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  /** Starts both programs, or starts them again. */
  async run(): Promise<void> {
    const at = (name: string): string => join(this.dir, name);
    const main = join(projectRoot, 'dist/apps/compiler/src/main.js');
    const features = AttackedHost.parser?.features ?? '';
    this.#spawn(execPath, [
      ...[main, '--socket', at('compiler.sock'), '--trust-dir', at('trust')],
      ...['--sealing-key', at('trust/sealing.key'), '--config', at('agent.yaml')],
      ...['--features', features, '--root', at('root'), '--securityfs', at('kernel')],
    ]);
    this.#spawn(this.program, [
      ...['run', '--state-dir', at('state'), '--trust-dir', at('trust')],
      ...['--socket', at('sensor.sock'), '--compiler', at('compiler.sock')],
      ...['--securityfs', at('kernel'), '--dropin-dir', at('units'), '--agent-user', 'daemon'],
      ...['--sysfs', at('sys')],
    ]);
    for (const socket of ['compiler.sock', 'sensor.sock'])
      await eventually(`there is ${socket}`, 20_000, () => access(at(socket)).then(() => true));
  }

  /** Ends both as a power failure would. */
  async kill(): Promise<void> {
    await Promise.all(
      this.#processes.splice(0).map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
    for (const socket of ['compiler.sock', 'sensor.sock'])
      await rm(join(this.dir, socket), { force: true });
  }

  /** `applied`, or the code by which the envelope was refused. */
  async offer(envelope: Uint8Array): Promise<string> {
    try {
      await this.#sensor.apply(envelope);
      return 'applied';
    } catch (error) {
      if (error instanceof SensorRefusedError) return error.code;
      throw new Error(`the sensor did not answer: ${this.#log}`, { cause: error });
    }
  }

  /** Why it was refused, in the words that an operator sees. */
  async reason(envelope: Uint8Array): Promise<string> {
    return this.#sensor.apply(envelope).then(
      () => 'applied',
      (error: unknown) => String(error),
    );
  }

  /** Names of the policies in force, with their rules' plans: what the kernel was given. */
  async enforced(): Promise<readonly string[]> {
    const { report } = await this.#sensor.status();
    if (report === undefined) return [];
    const { policies } = JSON.parse(Buffer.from(report, 'base64').toString('utf8')) as {
      policies: { policy: string; rules: { plan: string }[] }[];
    };
    return policies.map(({ policy, rules }) => `${policy} ${rules.map(({ plan }) => plan).join()}`);
  }

  /** The source of what is loaded. */
  profiles(): Promise<string> {
    return readFile(join(this.dir, 'state/profiles.txt'), 'utf8');
  }

  /** Everything that decides what is enforced, byte by byte. */
  async everything(): Promise<string> {
    const names = [
      'state/snapshot',
      'state/memory',
      'trust/root.json',
      'trust/minimum-versions.json',
    ];
    const files = names.map((name) => readFile(join(this.dir, name), 'hex').catch(() => 'none'));
    return (await Promise.all(files)).join('\n');
  }

  /** Whether the control plane was reached after the last swap. */
  async confirmation(): Promise<string | undefined> {
    return (await this.#sensor.status()).confirm?.state;
  }

  /** Epoch of the root document that its compiler follows. */
  async epoch(): Promise<string> {
    const text = await readFile(join(this.dir, 'trust/root.json'), 'utf8');
    return inspectRoot(JSON.parse(text)).document.epoch;
  }

  write(name: string, content: string): Promise<void> {
    return writeFile(join(this.dir, name), content);
  }

  async stop(): Promise<void> {
    await this.#sensor.close();
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
    if (/ERROR: |runtime error/.test(this.#log)) throw new Error(this.#log);
  }

  #spawn(program: string, args: readonly string[]): void {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    this.#processes.push(child);
  }
}

/** A suite on such a host; on a machine that cannot compile for it, it is skipped and says why. */
export function onAttackedHost(title: string, suite: () => void): void {
  if (AttackedHost.parser === undefined)
    describe.skip(`${title} (skipped: apparmor_parser is not installed)`, suite);
  else describe(title, suite);
}
