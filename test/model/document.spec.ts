import { describe, expect, it } from '@jest/globals';
import { RULES } from '../fault/checks/violation.js';
import { declares, isDeclared, rulesNamed, stepRows } from './document.js';

describe('the document of the model', () => {
  it('says of each rule of the checker where it is', () => {
    expect(rulesNamed()).toEqual(Object.keys(RULES));
  });

  it('names code that is there, for each step', () => {
    const code = stepRows().flatMap((row) => row.code);
    expect(code.filter((each) => !isDeclared(each))).toEqual([]);
    expect(code.length).toBeGreaterThan(30);
  });

  it.each([
    ['.ts', 'export class Loop {'],
    ['.ts', 'export const loop = {'],
    ['.ts', 'function loop<T>(of: T): T {'],
    ['.ts', '  async #loop(): Promise<void> {'],
    ['.ts', '  override loop('],
    ['.c', 'static void loop(struct hw_daemon *d) {'],
    ['.c', 'char *loop(struct hw_daemon *d,'],
  ])('takes for a declaration in %s: %s', (extension, line) => {
    expect(declares(`x\n${line}\n`, extension, /loop/i.exec(line)?.[0] ?? '')).toBe(true);
  });

  it.each([
    ['.ts', '  loop(of);'],
    ['.ts', '    loop(() => {'],
    ['.ts', ' * As `loop` does.'],
    ['.ts', "import { loop } from './loop.js';"],
    ['.ts', '  looping(): void {'],
    ['.c', '        loop(d);'],
    ['.c', 'static void loop(struct hw_daemon *d);'],
    ['.c', ' * loop( says why'],
  ])('takes for none in %s: %s', (extension, line) => {
    expect(declares(`x\n${line}\n`, extension, 'loop')).toBe(false);
  });
});
