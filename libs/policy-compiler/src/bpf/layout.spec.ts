import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { TABLE } from './layout.js';
import { SOCKET_KINDS } from '../resolve/socket-kinds.js';

const HEADER = new URL('../../../sensor/native/include/hostward-table.h', import.meta.url);

/** Constants of the header by name without HW_TBL_. */
function constants(): ReadonlyMap<string, number> {
  const text = readFileSync(HEADER, 'utf8');
  const lines = text.matchAll(/^#define HW_TBL_(\w+) (\(1ull << (\d+)\)|(0x)?[0-9a-f]+u)(?: |$)/gm);
  return new Map(
    [...lines].map(([, name = '', value = '', shift]) => [
      name,
      shift === undefined
        ? Number.parseInt(value.replace(/^0x/, ''), value.startsWith('0x') ? 16 : 10)
        : 2 ** Number(shift),
    ]),
  );
}

describe('the layout of the policy table', () => {
  it('is in TypeScript what it is in C, value by value', () => {
    const inC = [...constants()].filter(([name]) => !name.startsWith('SOCKET_'));
    expect(Object.fromEntries(inC)).toEqual({ ...TABLE });
  });

  it('numbers the kinds of sockets as in C', () => {
    const numbers = [...constants()].filter(([name]) => name.startsWith('SOCKET_'));
    const inC = new Map(numbers.map(([name, number]) => [name.slice('SOCKET_'.length), number]));
    const inet6 = inC.get('INET6') ?? 0;
    for (const [name, number] of SOCKET_KINDS) {
      expect({ name, number: numberInC(inC, inet6, name) }).toEqual({ name, number });
    }
    expect(Math.max(...SOCKET_KINDS.values()) + 1).toBe(inC.get('KINDS'));
    expect(SOCKET_KINDS.size).toBe(inC.size - ['NONE', 'INET6', 'KINDS'].length + 15);
  });
});

/** `inet6 raw-icmp` is INET6 + INET_RAW_ICMP, `inet stream-other` is INET_STREAM. */
function numberInC(
  inC: ReadonlyMap<string, number>,
  inet6: number,
  name: string,
): number | undefined {
  const plain = name.replace(/^inet6 /, 'inet ').replace(/-other$/, '');
  const constant = plain.replace(/[ -]/g, '_').toUpperCase();
  const number = inC.get(constant);
  return name.startsWith('inet6 ') && number !== undefined ? inet6 + number : number;
}
