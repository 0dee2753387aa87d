import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Vm } from '#testing';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { type Figures, figuresIn } from './figures.js';

const METER = '/usr/local/bin/bench-ops';
const FOLDER = '/var/tmp/bench-ops';
const COMPILER = 'hostward-compiler.socket hostward-compiler.service';
const PINS = '/sys/fs/bpf/hostward';
const SENSOR = '/usr/lib/hostward/hostward-sensor';
const BUILD_TIMEOUT_MS = 60_000;
const STEP_TIMEOUT_MS = 120_000;
const RULES_TIMEOUT_MS = 1_800_000;
/** What the enforcer attaches is more than this; what systemd attaches for its own ends is less. */
const FEW_PROGRAMS = 10;

/** Emulated, a table of 10,000 rules takes minutes to make; a host gives it one. */
const PATIENT = sensorRuns(`${SENSOR} run --compile-timeout 1200000`);

/** A host in a VM whose enforcer is taken off and put on again, and what its operations cost meanwhile. */
export class SensorGuest {
  private constructor(private readonly vm: Vm) {}

  /** Builds the meter on this machine and brings it into the guest. */
  static async with(vm: Vm, folder: string): Promise<SensorGuest> {
    const source = join(packageRoot(), 'libs', 'sensor', 'native', 'tests', 'bench-ops.c');
    const program = join(folder, 'bench-ops');
    await promisify(execFile)('gcc', ['-O2', '-static', '-o', program, source], {
      timeout: BUILD_TIMEOUT_MS,
    });
    await vm.copyIn(program, METER);
    await vm.ssh(`mkdir -p ${FOLDER} && ${PATIENT}`, { timeoutMs: STEP_TIMEOUT_MS });
    return new SensorGuest(vm);
  }

  /** Nanoseconds of each operation, the best of many short batches. */
  async operations(): Promise<Figures> {
    return this.figures(`${METER} ops ${FOLDER}`);
  }

  /** Programs of BPF-LSM and all BPF maps: how many, and bytes. */
  async kernel(): Promise<Figures> {
    return this.figures(`${METER} kernel`);
  }

  /** KiB of memory of sensor and agent. */
  async memory(): Promise<Figures> {
    const of = (unit: string, name: string): string =>
      `awk '/^VmRSS/ {print "${name}", $2}' /proc/$(systemctl show -P MainPID hostward-${unit})/status`;
    return this.figures(`${of('sensor', 'sensor')}; ${of('agent', 'agent')}`);
  }

  /** Ends the sensor and takes its programs out of the kernel: nothing of it is left there. */
  async detach(): Promise<void> {
    await this.sh(`systemctl stop hostward-sensor && rm -rf ${PINS}`);
    await this.sh(`until [ "$(${PROGRAMS})" -lt ${FEW_PROGRAMS} ]; do sleep 0.1; done`);
  }

  /** Starts the sensor, which loads what it kept, and waits until that is in force. */
  async attach(): Promise<void> {
    await this.sh('systemctl start hostward-sensor');
    await this.enforcing();
  }

  /** Waits until programs are attached and enforce; what is probed and repaired after that has a moment to end. */
  async enforcing(): Promise<void> {
    const loaded = `[ "$(${PROGRAMS})" -ge ${FEW_PROGRAMS} ]`;
    await this.sh(`until ${loaded} && ${inMode('enforce')}; do sleep 0.2; done; sleep 1`);
  }

  /** Waits until the table in force refuses to read this path. */
  async refuses(path: string): Promise<void> {
    const asked = `${SENSOR} explain --path ${path} --operation read`;
    await this.sh(`until ${asked} | grep -q denied; do sleep 1; done`, RULES_TIMEOUT_MS);
  }

  /** Programs stay attached and let everything through at once. */
  async suspend(): Promise<void> {
    await this.sh(`${SENSOR} suspend --mode off --for 1h --reason bench && ${inMode('off')}`);
  }

  /** Puts the rule set in force that was suspended; milliseconds until it was and had been read back. */
  async resume(): Promise<number> {
    const { ns } = await this.figures(
      `s=$(date +%s%N); ${SENSOR} resume >&2; e=$(date +%s%N); echo ns $((e - s))`,
    );
    return (ns ?? 0) / 1e6;
  }

  /** Agent and compiler work by themselves, which must not fall into a measurement. */
  async quiet(): Promise<void> {
    await this.sh(`systemctl stop hostward-agent ${COMPILER}`);
  }

  /** Sets the guest's clock, which falls behind where it counts instructions. */
  async setClock(): Promise<void> {
    await this.sh(`date -s @${(Date.now() / 1000).toFixed(3)}`);
  }

  /** Has agent and compiler work again. */
  async busy(): Promise<void> {
    await this.sh('systemctl start hostward-compiler.socket hostward-agent');
  }

  private async figures(command: string): Promise<Figures> {
    return figuresIn(await this.sh(command));
  }

  private async sh(command: string, timeoutMs = STEP_TIMEOUT_MS): Promise<string> {
    return (await this.vm.ssh(command, { timeoutMs })).stdout;
  }
}

const PROGRAMS = `${METER} kernel | awk '$1 == "programs" {print $2}'`;

/** Shell: has the sensor's unit start another command. */
function sensorRuns(command: string): string {
  const folder = '/etc/systemd/system/hostward-sensor.service.d';
  const written = `mkdir -p ${folder} && printf '[Service]\nExecStart=\nExecStart=${command}\n' > ${folder}/bench.conf`;
  return `${written} && systemctl daemon-reload && systemctl restart hostward-sensor`;
}

function inMode(mode: string): string {
  return `${SENSOR} status --json | grep -q '"mode":"${mode}"'`;
}
