import { join } from 'node:path';
import { SmallDisks, type SmallDisk } from '#testing';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { FIRST } from '../faults.js';
import { SPARE } from '../plan.js';
import { ETCD_MEMBERS } from './etcd-members.js';
import { LackingHere } from './fault-tally.js';

/** etcd keeps 128 MiB of it for its log beforehand; the rest is for its database. */
const ETCD_MIB = 160;
/** Many times what an agent keeps in a run. */
const HOST_MIB = 16;

/**
 * Small disks for etcd's members and for what agents keep. Only root can make one; for others all of it lies on the disk of
 * all, which cannot be filled.
 */
export class Disks {
  readonly #byName: ReadonlyMap<string, SmallDisk>;
  #made: SmallDisks | undefined;

  constructor(folder: string) {
    const ofEtcd = ETCD_MEMBERS.map((name) => {
      return [name, { folder: join(folder, name), mib: ETCD_MIB }] as const;
    });
    const ofHosts = [...FIRST, SPARE].map((name) => {
      return [name, { folder: join(folder, name, 'disk'), mib: HOST_MIB }] as const;
    });
    this.#byName = new Map<string, SmallDisk>([...ofEtcd, ...ofHosts]);
  }

  async start(): Promise<void> {
    if (SmallDisks.canBeMade) this.#made = await SmallDisks.start([...this.#byName.values()]);
  }

  /** The same program, which finds the disks. */
  before(program: Program): Program {
    if (!this.#made) return program;
    const [command, ...words] = this.#made.words;
    return { ...program, command, args: [...words, program.command, ...program.args] };
  }

  /** Where everybody finds the disk of a member of etcd or a host; undefined where there are none. */
  at(name: string): string | undefined {
    return this.#made?.at(this.#folder(name));
  }

  /** Not a byte more can be written. */
  async fill(name: string): Promise<void> {
    if (!this.#made) throw new LackingHere('only root can give etcd, or a host, a disk');
    await this.#made.fill(this.#folder(name));
  }

  async empty(name: string): Promise<void> {
    await this.#made?.empty(this.#folder(name));
  }

  async stop(): Promise<void> {
    await this.#made?.stop();
  }

  #folder(name: string): string {
    const disk = this.#byName.get(name);
    if (!disk) throw new Error(`${name} has no disk`);
    return disk.folder;
  }
}
