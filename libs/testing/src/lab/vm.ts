import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { collectLogs, copyIn, type SshOptions } from './guest-files.js';
import { LabError, VmCommandError, VmTimeoutError } from './lab.errors.js';
import { GUEST_NETWORK } from './lab.config.js';
import { type Machine, machineArguments, type MachineFiles, machineFiles } from './machine.js';
import { type Forward, hostForward } from './port-forward.js';
import { type Lifetime, QemuProcess } from './qemu-process.js';
import type { CommandResult } from './run-command.js';
import { loadMemory, saveMemory, type Snapshot, snapshotMemory } from './snapshot.js';
import { shellQuote, SshClient, type SshTarget } from './ssh.client.js';
import { processorsOf, whyStuck } from './stuck-boot.js';
import { VmDisks } from './vm-disks.js';
import { addressCommand, plugWire } from './wire.js';

const BOOT_TIMEOUT_MS = 480_000;
const RESET_TIMEOUT_MS = 60_000;

/** What a VM is started from; the overlay at `disk` is there already. */
export interface VmPlan {
  name: string;
  machine: Machine;
  runDir: string;
  disk: string;
  lifetime: Lifetime;
  /** Where it is told that a boot was begun anew. */
  log: (message: string) => void;
  /** Restored from its memory if given, else booted. */
  memoryOf: Snapshot | undefined;
}

/** One running Debian 13 guest, reached as root over ssh; the host's loopback is 10.0.2.2 in it. */
export class Vm {
  private readonly files: MachineFiles;
  private readonly disks = new VmDisks();
  private process: QemuProcess | undefined;
  private readonly forwards: Forward[] = [];
  private sshClient: SshClient | undefined;
  private target: SshTarget | undefined;

  /** Names a VM that is off; `start` starts it. Labs make VMs: `Lab.vm`. */
  constructor(private readonly plan: VmPlan) {
    this.files = machineFiles(plan.runDir);
  }

  /** Restores or boots the guest and makes it a machine of its own. */
  async start(): Promise<void> {
    await this.powerUp(this.plan.memoryOf);
    await this.takeIdentity();
  }

  get name(): string {
    return this.plan.name;
  }

  get memoryMiB(): number {
    return this.plan.machine.memoryMiB;
  }

  /** File on the host that the guest's serial console is written to. */
  get consoleLog(): string {
    return this.files.console;
  }

  get isRunning(): boolean {
    return this.process?.isRunning ?? false;
  }

  /** Process id of QEMU and how to reach the guest: what another process needs to go on with a detached VM. */
  get reach(): SshTarget & { pid: number } {
    if (this.target === undefined) throw this.off();
    return { ...this.target, pid: this.running().pid };
  }

  /** Runs a command line, or words that are quoted for the shell, as root; throws VmCommandError unless it ends with 0. */
  async ssh(command: string | readonly string[], options: SshOptions = {}): Promise<CommandResult> {
    if (this.sshClient === undefined) throw this.off();
    const line = typeof command === 'string' ? command : shellQuote(command);
    const timeoutMs = options.timeoutMs ?? 180_000;
    const result = await this.sshClient.run(line, { input: options.input, timeoutMs });
    if (result.timedOut)
      throw new VmTimeoutError(`${this.name}: \`${line.slice(0, 300)}\` took over ${timeoutMs} ms`);
    if (result.code !== 0 && options.allowFailure !== true)
      throw new VmCommandError(this.name, line, result);
    return result;
  }

  /** Copies a file or a folder's contents to exactly `remotePath`, owned by root; for many files use `mountFolder`. */
  copyIn(localPath: string, remotePath: string): Promise<void> {
    return copyIn(
      (command, options) => this.ssh(command, options),
      this.plan.runDir,
      localPath,
      remotePath,
    );
  }

  /** Writes a text to a file of the guest, with its folders; `mode` is octal such as `0o644`. */
  async writeFile(remotePath: string, text: string, mode = 0o644): Promise<void> {
    const to = shellQuote([remotePath]);
    const write = `mkdir -p "$(dirname ${to})" && cat > ${to} && chmod ${mode.toString(8)} ${to}`;
    await this.ssh(write, { input: text });
  }

  /** Makes a disk of the host's folder, plugs it in and mounts it read-only; returns the mount point `/mnt/NAME`. */
  mountFolder(localFolder: string, name: string): Promise<string> {
    return this.disks.mountFolder(this.diskHost(), localFolder, name);
  }

  /** Plugs in a raw ext4 image of the host and mounts it read-only; returns the mount point `/mnt/NAME`. */
  mountImage(localImage: string, name: string): Promise<string> {
    return this.disks.mountImage(this.diskHost(), localImage, name);
  }

  /** Plugs a USB device of QEMU in, by its driver, e.g. `usb-kbd`; a `usb-storage` has the raw image `file`. */
  async plugUsb(driver: string, id: string, file?: string): Promise<void> {
    const { qmp } = this.running();
    if (file !== undefined)
      await qmp.execute('blockdev-add', {
        'node-name': id,
        driver: 'raw',
        file: { driver: 'file', filename: file },
      });
    const drive = file === undefined ? {} : { drive: id, serial: id };
    await qmp.execute('device_add', { driver, id, bus: 'xhci.0', ...drive });
  }

  /** Pulls it out again. */
  async unplugUsb(id: string): Promise<void> {
    const { qmp } = this.running();
    const gone = qmp.event('DEVICE_DELETED', (event) => event['device'] === id, 120_000);
    await qmp.execute('device_del', { id });
    await gone;
  }

  /** Reboots the guest for real and returns when ssh answers from the new boot, early units possibly still starting. */
  async reboot(): Promise<void> {
    const qmp = this.running().qmp;
    const reset = qmp.event('RESET', () => true, BOOT_TIMEOUT_MS);
    // A QEMU that ends on the way is started again by `connect`.
    const restarted = reset.catch((cause: unknown) => {
      if (cause instanceof VmTimeoutError) throw cause;
    });
    await this.ssh('systemctl reboot --no-block', { allowFailure: true });
    await restarted;
    await this.connect({ speaks: true });
    await this.disks.remount(this.diskHost());
  }

  /** Waits until systemd finished the boot; returns `running`, or `degraded` with the failed units. */
  async waitBooted(timeoutMs = BOOT_TIMEOUT_MS): Promise<{ state: string; failedUnits: string[] }> {
    const { stdout } = await this.ssh('systemctl is-system-running --wait', {
      timeoutMs,
      allowFailure: true,
    });
    const failed = await this.ssh('systemctl --failed --plain --no-legend');
    const units = failed.stdout.split('\n').filter((line) => line !== '');
    return { state: stdout.trim(), failedUnits: units.map((line) => line.split(' ')[0] ?? line) };
  }

  /** Shuts the guest down in order and waits until it is off; `powerOn` starts it again. */
  async powerOff(timeoutMs = 360_000): Promise<void> {
    const process = this.running();
    const down = process.qmp.event('SHUTDOWN', () => true, timeoutMs);
    await this.ssh('systemctl poweroff --no-block', { allowFailure: true });
    await down;
    await process.waitEnd();
    await this.kill();
  }

  /** Cuts the power: the guest and all that it had not written are gone; `powerOn` boots what is on its disk. */
  async kill(): Promise<void> {
    this.sshClient?.disconnect();
    this.sshClient = undefined;
    this.target = undefined;
    this.forwards.length = 0;
    await this.process?.kill();
    this.process = undefined;
  }

  /** Boots the guest from its disk after `powerOff` or `kill`, with its identity as it was. */
  async powerOn(): Promise<void> {
    if (this.process !== undefined) throw new LabError(`${this.name} is on already`);
    await this.powerUp(undefined);
    await this.disks.remount(this.diskHost());
  }

  /** Pulls the cable of the product's link (carrier goes, addresses stay); `ssh` goes on over a link of its own. */
  cutLink(): Promise<void> {
    return this.setLink(false);
  }

  /** Plugs the cable in again. */
  restoreLink(): Promise<void> {
    return this.setLink(true);
  }

  /** Forwards a free loopback port of the host to a TCP port of the guest on the product's link; returns the port. */
  hostForward(guestPort: number): Promise<number> {
    return this.forward(GUEST_NETWORK.product, guestPort);
  }

  /** Plugs in a third link, to every guest that has joined the wire of this number; until the power goes. */
  async joinWire(wire: number, address: string): Promise<void> {
    const { qmp } = this.running();
    await plugWire(qmp, wire, address);
    await this.ssh(addressCommand(address));
  }

  /** Freezes the guest into `dir`: memory is written there; the overlay that it runs on is its disk. Ends the VM. */
  async freeze(dir: string): Promise<void> {
    await this.disks.unplugAll(this.diskHost());
    await this.ssh('sync');
    this.sshClient?.disconnect();
    const process = this.running();
    await saveMemory(process.qmp, snapshotMemory(dir));
    const ended = process.waitEnd();
    await process.qmp.execute('quit').catch(() => undefined);
    await ended;
    await this.kill();
  }

  /** Writes console, QEMU's log and, if the guest answers, journal and kernel log into `dir`. */
  collectLogs(dir: string): Promise<void> {
    return collectLogs(
      (command, options) => this.ssh(command, options),
      [this.files.console, this.files.qemuLog],
      dir,
    );
  }

  /** Lets a detached VM go on without this process. */
  release(): void {
    this.process?.release();
  }

  private async powerUp(memoryOf: Snapshot | undefined): Promise<void> {
    await this.switchOn(memoryOf);
    const port = await this.forward(GUEST_NETWORK.control, 22);
    const keyFile = this.plan.machine.image.sshKey;
    this.target = { port, keyFile, controlPath: this.files.sshControl };
    // A guest that is restored has said its words before.
    await this.connect({ speaks: memoryOf === undefined });
  }

  private async switchOn(memoryOf: Snapshot | undefined): Promise<void> {
    const { machine, runDir, disk, lifetime } = this.plan;
    const args = machineArguments(machine, runDir, disk, memoryOf !== undefined);
    this.process = await QemuProcess.start(args, runDir, lifetime);
    const { qmp } = this.process;
    if (memoryOf === undefined) await this.disks.replug(qmp);
    else await loadMemory(qmp, snapshotMemory(memoryOf.dir));
  }

  private async forward(
    { nic, address }: { nic: string; address: string },
    guestPort: number,
  ): Promise<number> {
    const wanted = { nic, address, guestPort, port: 0 };
    const forward = await hostForward(this.running().qmp, wanted);
    this.forwards.push(forward);
    return forward.port;
  }

  /** Waits for the login; a boot that is stuck is begun anew, once. */
  private async connect({ speaks }: { speaks: boolean }): Promise<void> {
    if (this.target === undefined) throw this.off();
    this.sshClient?.disconnect();
    this.sshClient = new SshClient(
      this.target,
      this.plan.lifetime,
      join(this.plan.runDir, 'ssh.log'),
    );
    const before = (await this.consoleText()).length;
    const began = performance.now();
    let isAnew = false;
    try {
      await this.sshClient.connect(BOOT_TIMEOUT_MS, async () => {
        const death = await this.running().lastWords();
        if (isAnew && death !== undefined) throw new LabError(death);
        if (isAnew) return;
        const console = (await this.consoleText()).slice(before);
        const why = death ?? whyStuck(console, speaks ? performance.now() - began : 0);
        if (why === undefined) return;
        isAnew = true;
        await this.beginAnew(why);
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const words = (await this.consoleText()).slice(-1500);
      throw new VmTimeoutError(`${this.name}: ${why}; its console's last words:\n${words}`, {
        cause,
      });
    }
  }

  /** By the button, or where that is dead by the plug: nothing of the guest is lost that it had written. */
  private async beginAnew(why: string): Promise<void> {
    const told = `lab: the boot of ${this.name} is begun anew, once: ${why}`;
    const process = this.running();
    try {
      const { qmp } = process;
      this.plan.log(`${told}; its processors: ${await processorsOf(qmp, RESET_TIMEOUT_MS)}`);
      const reset = qmp.event('RESET', () => true, RESET_TIMEOUT_MS);
      await Promise.all([reset, qmp.execute('system_reset')]);
    } catch (cause) {
      if (!(cause instanceof LabError)) throw cause;
      this.plan.log(`${told}; QEMU is started again: ${cause.message}`);
      await process.kill();
      await this.switchOn(undefined);
      for (const forward of this.forwards) await hostForward(this.running().qmp, forward);
    }
  }

  private consoleText(): Promise<string> {
    return readFile(this.files.console, 'utf8');
  }

  /** Guests of one snapshot are equal to the last random bit; see guest-programs.ts. */
  private async takeIdentity(): Promise<void> {
    const machineId = randomBytes(16).toString('hex');
    const sentSeconds = (Date.now() / 1000).toFixed(3);
    await this.ssh(['lab-identity', this.name, machineId, sentSeconds], { input: randomBytes(64) });
  }

  private async setLink(up: boolean): Promise<void> {
    await this.running().qmp.execute('set_link', { name: GUEST_NETWORK.product.nic, up });
  }

  private diskHost(): {
    qmp: QemuProcess['qmp'];
    runDir: string;
    ssh: (command: string) => Promise<unknown>;
  } {
    const ssh = (command: string): Promise<unknown> => this.ssh(command);
    return { qmp: this.running().qmp, runDir: this.plan.runDir, ssh };
  }

  private running(): QemuProcess {
    if (this.process === undefined) throw this.off();
    return this.process;
  }

  private off(): LabError {
    return new LabError(`${this.name} is off: powerOn() starts it`);
  }
}
