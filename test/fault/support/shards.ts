import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import type { ControlPlaneName } from '../faults.js';
import { SHARD_OF } from '../truth.js';

/** Which Redis each control plane names beside the main one when it is started: none, or `redis-b` at this port. */
export class Shards {
  /** How often each is not to name it at the moment. */
  readonly #without = new Map<ControlPlaneName, number>();

  constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {}

  /** The same program, which is told when it starts. */
  before(name: ControlPlaneName, program: Program): Program {
    this.#write(name);
    const words = 'export HOSTWARD_CONTROL_PLANE__REDIS__SHARDS="$(cat "$0")"; exec "$@"';
    const args = ['-c', words, this.#file(name), program.command, ...program.args];
    return { ...program, command: '/bin/sh', args };
  }

  /** It names none until this was taken back as often. */
  leaveOut(of: ControlPlaneName): void {
    this.#add(of, 1);
  }

  takeBack(of: ControlPlaneName): void {
    this.#add(of, -1);
  }

  /** Counted when it is written: what fails is not taken back. */
  #add(of: ControlPlaneName, times: number): void {
    const without = (this.#without.get(of) ?? 0) + times;
    this.#write(of, without);
    this.#without.set(of, without);
  }

  /** At once, since another may ask for the same file at the same moment. */
  #write(of: ControlPlaneName, without = this.#without.get(of)): void {
    const { port } = this;
    const shard = { name: SHARD_OF['redis-b'], host: '127.0.0.1', port, agent: { port } };
    const file = this.#file(of);
    writeFileSync(`${file}.new`, without ? '' : JSON.stringify([shard]));
    renameSync(`${file}.new`, file);
  }

  #file(name: ControlPlaneName): string {
    return join(this.folder, `${name.replace(' ', '-')}.shards`);
  }
}
