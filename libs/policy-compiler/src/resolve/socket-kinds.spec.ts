import { describe, expect, it } from '@jest/globals';
import { CLASS_CELLS, protocolCells } from './cells.js';
import { kindsOf, protocolKinds, SOCKET_KINDS } from './socket-kinds.js';

const PROTOCOLS = [
  'tcp',
  'udp',
  'raw',
  'icmp',
  'icmpv6',
  'sctp',
  'stream',
  'dgram',
  'rdm',
  'seqpacket',
];

/** Kinds of a protocol as numbers. */
function numbers(protocol: string): readonly number[] {
  return (protocolKinds(protocol)?.kinds ?? []).flatMap(kindsOf);
}

describe('kinds of sockets', () => {
  it.each([...PROTOCOLS, 'dccp', 'packet', 'all'])(
    'have a meaning for the protocol %s',
    (protocol) => {
      const kinds = protocolKinds(protocol)?.kinds ?? [];
      expect(kinds.length).toBeGreaterThan(0);
      expect(kinds.every((kind) => SOCKET_KINDS.has(kind))).toBe(true);
      expect(protocolKinds(protocol)?.broad).toBe(protocol === 'all');
    },
  );

  it('have none for a name that is no protocol', () => {
    expect(protocolKinds('quic')).toBeUndefined();
    expect(protocolKinds('constructor')).toBeUndefined();
  });

  it('tell TCP, ICMP, SCTP and DCCP apart, which AppArmor cannot', () => {
    const protocols = ['tcp', 'udp', 'icmp', 'icmpv6', 'sctp', 'dccp'].map(numbers);
    const all = protocols.flat();
    expect(new Set(all).size).toBe(all.length);
  });

  it('cover at least what AppArmor covers by the same protocol, but for what is another protocol', () => {
    for (const protocol of ['stream', 'dgram', 'seqpacket', 'rdm', 'raw', 'packet', 'all']) {
      const meaning = protocolCells(protocol);
      const inAppArmor = 'cells' in meaning ? meaning.cells.flatMap(kindsOf) : [];
      expect(numbers(protocol)).toEqual(expect.arrayContaining([...inAppArmor]));
    }
  });

  it('give every cell of AppArmor its kinds', () => {
    for (const cell of CLASS_CELLS.network) {
      expect({ cell, kinds: kindsOf(cell).length > 0 }).toEqual({ cell, kinds: true });
    }
    expect(kindsOf('unix stream')).toEqual([]);
    expect(kindsOf('netlink raw')).toEqual([]);
  });

  it('are in none but their own families: everything is the network, unix and netlink are not', () => {
    expect(numbers('all')).toHaveLength(SOCKET_KINDS.size);
    expect(Math.min(...numbers('all'))).toBeGreaterThan(0);
  });
});
