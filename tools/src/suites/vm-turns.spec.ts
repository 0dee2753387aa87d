import { beforeEach, describe, expect, it } from '@jest/globals';
import { usualMsOf } from './vm-order.js';
import { VmTurns } from './vm-turns.js';

const FIRST = 'test/e2e/survival.vm-spec.ts';
const LONG = 'test/e2e/package.vm-spec.ts';
const SHORT = 'test/e2e/usb.vm-spec.ts';
const BEGAN_MS = 1_000_000;

let turns: VmTurns;
const within = (ms: number): VmTurns => new VmTurns([FIRST, LONG, SHORT], BEGAN_MS + ms);

describe('the turns of files with VMs', () => {
  beforeEach(() => {
    turns = within(usualMsOf(LONG));
  });

  it('come in order, as long as what is begun ends in time', () => {
    expect([turns.next(BEGAN_MS), turns.next(BEGAN_MS), turns.next(BEGAN_MS)]).toEqual([
      ...[FIRST, LONG, SHORT],
    ]);
    expect(turns.next(BEGAN_MS)).toBeUndefined();
    expect(turns.left).toEqual([]);
  });

  it('pass over what would not end in time, and name it at the end', () => {
    turns.next(BEGAN_MS);
    expect(turns.next(BEGAN_MS + 1)).toBe(SHORT);
    expect(turns.next(BEGAN_MS + 1)).toBeUndefined();
    expect(turns.left).toEqual([LONG]);
  });

  it('begin the first ones whatever the time', () => {
    turns = within(-1);
    expect(turns.next(BEGAN_MS)).toBe(FIRST);
    expect(turns.next(BEGAN_MS)).toBeUndefined();
    expect(turns.left).toEqual([LONG, SHORT]);
  });

  it('count with a machine that is as slow as it was until now', () => {
    turns = within(2 * usualMsOf(LONG));
    turns.next(BEGAN_MS);
    turns.ended(FIRST, 3 * usualMsOf(FIRST));
    expect(turns.next(BEGAN_MS)).toBe(SHORT);
    turns.ended(SHORT, usualMsOf(SHORT) / 2);
    const slowness =
      (3 * usualMsOf(FIRST) + usualMsOf(SHORT) / 2) / (usualMsOf(FIRST) + usualMsOf(SHORT));
    expect(slowness).toBeGreaterThan(2);
    expect(turns.next(BEGAN_MS)).toBeUndefined();
    expect(turns.left).toEqual([LONG]);
  });

  it('of a run of this suite alone all come', () => {
    turns = new VmTurns([LONG, SHORT]);
    turns.ended(FIRST, 100 * usualMsOf(FIRST));
    expect([turns.next(BEGAN_MS), turns.next(BEGAN_MS)]).toEqual([LONG, SHORT]);
  });
});
