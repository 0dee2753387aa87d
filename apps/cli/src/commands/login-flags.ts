import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import type { LoginOptions } from '../bootstrap/login-options.js';
import { checkedTargets, parseInventory, parseTarget, type Target } from '../bootstrap/target.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { printable } from '../output/printable.js';

/** Of every command that goes to hosts by ssh: which they are, and how they are reached. */
export interface LoginFlags extends LoginOptions {
  readonly inventory?: string;
  readonly concurrency: number;
}

export function addLoginFlags(command: Command): void {
  command
    .option('--inventory <file>', 'a file of hosts, one a line')
    .option('--jump <user@bastion>', 'log in through this host')
    .option('--identity <file>', 'a private key of ssh')
    .option('--ask-password', 'ask for the password')
    .option('--password-file <file>', 'read the password from a file of yours alone')
    .option('--known-hosts <file>', 'instead of ~/.ssh/known_hosts')
    .addOption(listOption('--host-key-fingerprint <sha256>', 'a host key that is right'))
    .option('--concurrency <n>', 'hosts at a time', concurrencyOf, 10);
}

/** May be given several times. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collected).default([], 'none');
}

/** Hosts that are named on the command line and in a file. */
export async function targetsOf(
  words: readonly string[],
  { inventory }: LoginFlags,
): Promise<readonly Target[]> {
  const named = words.map((word) => parseTarget(word));
  if (inventory === undefined) return checkedTargets(named);
  const text = await readFile(inventory, 'utf8').catch((cause: Error) => {
    const why = `--inventory: cannot read ${inventory}: ${cause.message}`;
    throw new CommandFailed(why, 'name a file of hosts, one a line', { cause });
  });
  return checkedTargets([...named, ...parseInventory(text, inventory)]);
}

/** Where the way to the hosts leads: a loopback behind a jump is that of the jump's machine. */
export function machinesOf(targets: readonly Target[], { jump }: LoginFlags): readonly string[] {
  return [...(jump === undefined ? [] : [parseTarget(jump)]), ...targets].map(({ host }) => host);
}

/** On standard error, so that the report alone is on standard output. */
export function tell(target: Target, words: string): void {
  console.error(`${target.name ?? target.text}: ${printable(words)}`);
}

/** Values of an option that may be given several times. */
function collected(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function concurrencyOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new UsageError(`--concurrency "${text}" is not a whole number from 1 to 100`);
}

/** The first interrupt breaks off what runs; each host is left so that the next run goes on. */
export function interruption(): { readonly signal: AbortSignal; readonly done: () => void } {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const each of signals) process.on(each, interrupt);
  return {
    signal: stop.signal,
    done: () => {
      for (const each of signals) process.off(each, interrupt);
    },
  };
}
