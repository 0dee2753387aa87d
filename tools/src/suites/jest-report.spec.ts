import { describe, expect, it } from '@jest/globals';
import { outcomeOf, type JestReport } from './jest-report.js';

type Test = JestReport['testResults'][number]['assertionResults'][number];

const SET_UP = `
    not within 240 s: every policy has its state

      58 |     await fleet.product.apply(policies);
    > 59 |     await eventually('every policy has its state', () => isSettled(fleet));
         |           ^
      at eventually (test/e2e/support/eventually.ts:24:13)

    Cause:
    connect ECONNREFUSED

      at TCPConnectWrap.afterConnect (node:net:1)
`;

describe('the outcome of a run by Jest', () => {
  it('counts what passed and names what was skipped', () => {
    const tests = [test('a', 'passed'), test('b', 'pending'), test('c', 'todo')];
    expect(outcomeOf(report('', tests, 'passed'))).toEqual({
      passed: 1,
      failed: [],
      skipped: ['a host b', 'a host c'],
    });
  });

  it('tells the reason of a failure with its cause, once for all that failed alike in a row', () => {
    const message =
      `  ● a host › a\n${SET_UP}\n  ● a host › b\n${SET_UP}\n` +
      `  ● a host › c\n\n    \u001b[2mexpect(\u001b[22mreceived).toBe(expected)\n\n    Expected: 1\n    Received: 2\n`;
    const tests = [test('a', 'failed'), test('b', 'failed'), test('c', 'failed')];
    expect(outcomeOf(report(message, tests)).failed).toEqual([
      'a host a: not within 240 s: every policy has its state cause: connect ECONNREFUSED',
      'a host b: likewise',
      'a host c: expect(received).toBe(expected) Expected: 1 Received: 2',
    ]);
  });

  it('cuts a long reason', () => {
    const message = `  ● a host › a\n\n    ${'x'.repeat(1000)}\n`;
    const [line = ''] = outcomeOf(report(message, [test('a', 'failed')])).failed;
    expect(line).toBe(`a host a: ${'x'.repeat(300)} …`);
  });

  it('names a file that could not begin, and why', () => {
    const message = `  ● Test suite failed to run\n\n    Cannot find module './x.js'\n\n      at resolve (a.js:1:1)\n`;
    expect(outcomeOf(report(message, [])).failed).toEqual([
      "/a/b.spec.ts: Cannot find module './x.js'",
    ]);
    expect(outcomeOf(report('', [])).failed).toEqual(['/a/b.spec.ts: no reason told']);
  });

  it('counts an end that failed, though every test passed', () => {
    const message = `  ● Test suite failed to run\n\n    2 processes still run\n\n      at down (a.js:1:1)\n`;
    expect(outcomeOf(report(message, [test('a', 'passed')]))).toEqual({
      passed: 1,
      failed: ['/a/b.spec.ts: 2 processes still run'],
      skipped: [],
    });
    expect(outcomeOf(report('', [test('a', 'passed')])).failed).toHaveLength(1);
  });

  it('says so where Jest told no reason', () => {
    expect(outcomeOf(report('', [test('a', 'failed'), test('b', 'failed')])).failed).toEqual([
      'a host a: no reason told',
      'a host b: no reason told',
    ]);
  });
});

function report(message: string, assertionResults: readonly Test[], status = 'failed'): JestReport {
  return { testResults: [{ name: '/a/b.spec.ts', message, status, assertionResults }] };
}

function test(title: string, status: string): Test {
  return { ancestorTitles: ['a host'], title, fullName: `a host ${title}`, status };
}
