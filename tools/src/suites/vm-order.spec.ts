import { describe, expect, it } from '@jest/globals';
import { inOrder, isLong } from './vm-order.js';

const FILES = [
  'test/e2e/package.vm-spec.ts',
  'libs/policy-compiler/src/kernel.vm-spec.ts',
  'test/e2e/bpf.vm-spec.ts',
  'test/e2e/brakes.vm-spec.ts',
  'test/e2e/clock.vm-spec.ts',
  'test/e2e/usb.vm-spec.ts',
  'test/e2e/survival.vm-spec.ts',
];

describe('the files with VMs', () => {
  it('are begun with those that say most, and at most commits ended with those that take longest', () => {
    expect(inOrder(FILES, 6 + 2)).toEqual([
      'test/e2e/survival.vm-spec.ts',
      'test/e2e/bpf.vm-spec.ts',
      'test/e2e/brakes.vm-spec.ts',
      'test/e2e/clock.vm-spec.ts',
      'libs/policy-compiler/src/kernel.vm-spec.ts',
      'test/e2e/usb.vm-spec.ts',
      'test/e2e/package.vm-spec.ts',
    ]);
    expect(FILES.filter(isLong)).toEqual(['test/e2e/package.vm-spec.ts']);
  });

  it('begin with a long one at some commits', () => {
    const orders = [0, 1, 2, 3, 4, 5].map((turn) => inOrder(FILES, turn));
    const isFirst = orders.map(([first]) => first === 'test/e2e/package.vm-spec.ts');
    expect(isFirst).toEqual([true, false, false, true, false, false]);
  });

  it('each come next to the first ones at some commit, and all of them at each', () => {
    const orders = [1, 2, 4, 5, 7, 8].map((turn) => inOrder(FILES, turn));
    expect(new Set(orders.map((order) => order[2]))).toEqual(
      new Set([
        'test/e2e/brakes.vm-spec.ts',
        'test/e2e/clock.vm-spec.ts',
        'libs/policy-compiler/src/kernel.vm-spec.ts',
        'test/e2e/usb.vm-spec.ts',
      ]),
    );
    for (const order of orders) expect([...order].sort()).toEqual([...FILES].sort());
  });

  it('may be none', () => {
    expect(inOrder([], 7)).toEqual([]);
  });
});
