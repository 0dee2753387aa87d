import { BlockList, isIP } from 'node:net';
import { invalidField } from '../http/index.js';

interface Cidr {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The address of a peer as networks are written: an IPv4 one that comes in over IPv6 is an IPv4 one. */
export function peerOf(ip: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1] ?? ip;
}

/** Whose calls are counted together: who has one IPv6 address has all of its /64. */
export function sourceOf(peer: string): string {
  const [written] = peer.split('%');
  if (written === undefined || isIP(written) !== 6) return peer;
  const [before = '', after] = written.split('::');
  const [head, tail] = [before, after ?? ''].map((part) => part.split(':').filter(Boolean));
  const zeros = after === undefined ? 0 : 8 - (head?.length ?? 0) - (tail?.length ?? 0);
  const groups = [...(head ?? []), ...Array<string>(Math.max(0, zeros)).fill('0'), ...(tail ?? [])];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** Networks as an operator wrote them, an address alone as a network of one. Throws 400 that names the wrong one. */
export function checkedCidrs(written: readonly unknown[]): readonly string[] {
  return written.map((each, index) => {
    const cidr = typeof each === 'string' ? cidrOf(each) : undefined;
    if (cidr) return `${cidr.address}/${cidr.prefix}`;
    const remedy = 'write it as 10.0.0.0/8 or 2001:db8::/32';
    throw invalidField(`cidrs[${index}]`, each, 'is not a network', remedy);
  });
}

/** Whether a peer is in one of the networks; what is no address is in none. */
export function isWithin(peer: string, cidrs: readonly string[]): boolean {
  const family = isIP(peer);
  if (family === 0) return false;
  const wanted = family === 4 ? 'ipv4' : 'ipv6';
  const networks = new BlockList();
  for (const cidr of cidrs.map(cidrOf))
    // An IPv4 address would else be found in ::/0.
    if (cidr?.family === wanted) networks.addSubnet(cidr.address, cidr.prefix, cidr.family);
  return networks.check(peer, wanted);
}

function cidrOf(text: string): Cidr | undefined {
  const [, address = '', digits] = /^([0-9A-Fa-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = digits === undefined ? bits : Number(digits);
  return prefix <= bits ? { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' } : undefined;
}
