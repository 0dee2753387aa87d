import { userInfo } from 'node:os';
import { UsageError } from '../output/errors.js';

/** Where one logs in. */
export interface Target {
  readonly user: string;
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** What the host is to be called; absent: as it calls itself. */
  readonly name?: string;
  /** As the person wrote it. */
  readonly text: string;
}

const MAX_TARGETS = 10_000;
const FORM = /^(?:([^@\s]+)@)?(\[[0-9a-fA-F:.%a-z]+\]|[^:\s@[\]]+)(?::([0-9]{1,5}))?$/;

/** `user@host`, `host:port`, `user@[2001:db8::1]:22`; the user is who calls unless given. Throws UsageError. */
export function parseTarget(text: string, name?: string): Target {
  const [, user, host, digits] = FORM.exec(text) ?? [];
  const port = digits === undefined ? 22 : Number(digits);
  // Neither is ever a word of a command line here; a leading dash is a typing error all the same.
  const odd = host === undefined || host.startsWith('-') || user?.startsWith('-') === true;
  if (odd || port < 1 || port > 65_535)
    throw new UsageError(`"${text}" is no host: write user@host, or user@host:port`);
  return {
    user: user ?? userInfo().username,
    host: host.replace(/^\[|\]$/g, ''),
    port,
    text,
    ...(name === undefined ? {} : { name }),
  };
}

/** An inventory: one host a line, `user@host:port name=web1`; empty lines and `#` comments do not count. */
export function parseInventory(text: string, file: string): Target[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line
      .replace(/(^|\s)#.*/, '')
      .split(/\s+/)
      .filter(Boolean);
    const [target, ...rest] = words;
    if (target === undefined) return [];
    const [, name] = /^name=(.+)$/.exec(rest[0] ?? '') ?? [];
    if (rest.length > 1 || (rest.length === 1 && name === undefined))
      throw new UsageError(
        `${file}:${index + 1}: "${rest.join(' ')}" is not known: write name=NAME`,
      );
    return [parseTarget(target, name)];
  });
}

/** Every target once; throws UsageError for none, for too many, and for two of one name or place. */
export function checkedTargets(targets: readonly Target[]): readonly Target[] {
  if (targets.length === 0)
    throw new UsageError('no host is named: write user@host..., or --inventory FILE');
  if (targets.length > MAX_TARGETS)
    throw new UsageError(
      `${targets.length} hosts are named, at most ${MAX_TARGETS} are taken at once`,
    );
  mustDiffer(targets.map(({ host, port }) => `${host.toLowerCase()} port ${port}`));
  mustDiffer(targets.flatMap(({ name }) => (name === undefined ? [] : [`name=${name}`])));
  return targets;
}

function mustDiffer(words: readonly string[]): void {
  const seen = new Set<string>();
  for (const word of words) {
    if (seen.has(word)) throw new UsageError(`${word} is named twice`);
    seen.add(word);
  }
}
