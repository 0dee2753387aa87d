import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { SmallDisks, type SmallDisk } from '#testing';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { FIRST } from '../faults.js';
import { SPARE } from '../plan.js';
import { ETCD_MEMBERS } from './etcd-members.js';
import { LackingHere } from './fault-tally.js';
import { SENTINELS } from './redis-nodes.js';

/** etcd keeps 128 MiB of it for its log beforehand; the rest is for its database. */
const ETCD_MIB = 160;
/** Many times what an agent and a sensor, or a control plane, keep in a run. */
const HOST_MIB = 16;
const CONTROL_PLANE_MIB = 32;
const SENTINEL_MIB = 1;

/**
 * Small disks for what etcd's members, control planes, Sentinels and hosts keep. Only root can make one; for others all of
 * it lies on the disk of all, which cannot be filled.
 */
export class Disks {
  readonly #byName: ReadonlyMap<string, SmallDisk>;
  #made: SmallDisks | undefined;

  constructor(folder: string) {
    const disk = (name: string, mib: number, path = name): [string, SmallDisk] => {
      return [name, { folder: join(folder, path), mib }];
    };
    this.#byName = new Map([
      ...ETCD_MEMBERS.map((name) => disk(name, ETCD_MIB)),
      ...SENTINELS.map((name) => disk(name, SENTINEL_MIB)),
      ...[FIRST, SPARE].flat().map((name) => disk(name, HOST_MIB, join(name, 'disk'))),
      disk('control plane', CONTROL_PLANE_MIB, 'control-plane'),
      disk('replica', CONTROL_PLANE_MIB),
    ]);
  }

  /** What lies in their folders is on the disks too. */
  async start(): Promise<void> {
    if (!SmallDisks.canBeMade) return;
    const disks = [...this.#byName.values()];
    this.#made = await SmallDisks.start(disks);
    for (const { folder } of disks) await cp(folder, this.#made.at(folder), { recursive: true });
  }

  /** The same program, which finds the disks. */
  before(program: Program): Program {
    if (!this.#made) return program;
    const [command, ...words] = this.#made.words;
    return { ...program, command, args: [...words, program.command, ...program.args] };
  }

  /** Where everybody finds the disk; without such disks its folder. */
  at(name: string): string {
    const { folder } = this.#disk(name);
    return this.#made?.at(folder) ?? folder;
  }

  /** Not a byte more can be written. */
  async fill(name: string): Promise<void> {
    if (!this.#made) throw new LackingHere('only root can make disks to fill');
    await this.#made.fill(this.#disk(name).folder);
  }

  async empty(name: string): Promise<void> {
    await this.#made?.empty(this.#disk(name).folder);
  }

  async stop(): Promise<void> {
    await this.#made?.stop();
  }

  #disk(name: string): SmallDisk {
    const disk = this.#byName.get(name);
    if (!disk) throw new Error(`${name} has no disk`);
    return disk;
  }
}
