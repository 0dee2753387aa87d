import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { arch } from 'node:process';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { LackingHere } from './fault-tally.js';

const LIBRARY = `/usr/lib/${arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;
/** A program looks so often, in whole seconds, where its clock is: each look opens a file. */
const LOOKS_EVERY_S = 1;

/**
 * Wall clocks that can be set while programs run. libfaketime answers a program that asks for the time; clocks that nobody
 * can set, by which timers run, stay as they are.
 */
export class Clocks {
  constructor(private readonly folder: string) {}

  static get canBeSet(): boolean {
    return existsSync(LIBRARY);
  }

  /** The same program, by the clock of this machine. */
  async follow(machine: string, program: Program): Promise<Program> {
    if (!Clocks.canBeSet) return program;
    if (!existsSync(this.#file(machine))) await this.set(machine, 0);
    const settings = {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file(machine),
      FAKETIME_CACHE_DURATION: LOOKS_EVERY_S,
      FAKETIME_DONT_FAKE_MONOTONIC: 1,
      FAKETIME_DISABLE_SHM: 1,
      NO_FAKE_STAT: 1,
    };
    const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    return { ...program, command: 'env', args: [...words, program.command, ...program.args] };
  }

  /** Ahead of this machine's clock, or behind it where less than 0. */
  async set(machine: string, byMs: number): Promise<void> {
    if (!Clocks.canBeSet) throw new LackingHere('libfaketime is not installed');
    const file = this.#file(machine);
    // A program that looks meanwhile finds the old time or the new one.
    await writeFile(`${file}.new`, `${byMs < 0 ? '' : '+'}${byMs / 1_000}\n`);
    await rename(`${file}.new`, file);
  }

  #file(machine: string): string {
    return join(this.folder, `${machine.replace(' ', '-')}.clock`);
  }
}
