import { createHmac, timingSafeEqual } from 'node:crypto';

/** A key that a known_hosts file names for a host. */
export interface KnownKey {
  /** `ssh-ed25519` and the like. */
  readonly type: string;
  /** The key's blob, base64. */
  readonly key: string;
  /** Marked as one that is never to be taken. */
  readonly revoked: boolean;
}

/** How known_hosts names a host: with the port only where it is not 22. */
export function knownHostName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/**
 * Keys of a host in the text of a known_hosts file (sshd(8)): plain names, patterns and hashed ones. A certificate
 * authority is no key of a host, and a line that cannot be read names none.
 */
export function knownKeys(text: string, host: string, port: number): KnownKey[] {
  const name = knownHostName(host, port);
  return text.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [names, type, key] = words;
    if (names === undefined || type === undefined || key === undefined) return [];
    if (names.startsWith('#') || marker === '@cert-authority' || !matches(names, name)) return [];
    return [{ type, key, revoked: marker === '@revoked' }];
  });
}

function matches(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHash(names, name);
  const patterns = names.toLowerCase().split(',');
  const refused = patterns.some((each) => each.startsWith('!') && glob(each.slice(1), name));
  return !refused && patterns.some((each) => glob(each, name));
}

/** `|1|salt|HMAC-SHA1 of the name under the salt`, both base64. */
function matchesHash(names: string, name: string): boolean {
  const [, version, salt, hash] = names.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const found = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

function glob(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
