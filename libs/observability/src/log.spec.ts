import { describe, expect, it } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import { Log, NestLogger, describeError } from './index.js';

function recorded(level: 'info' | 'debug' = 'info') {
  const lines: string[] = [];
  const log = new Log({
    level,
    write: (line) => lines.push(line),
    now: () => new Date('2026-01-02T03:04:05.000Z'),
  });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as unknown) };
}

describe('Log', () => {
  it('writes one JSON line with a constant message and its fields', () => {
    const { log, lines, parsed } = recorded();
    log.child({ part: 'fleet' }).info('caught up', { revision: 7n });
    expect(lines[0]?.endsWith('\n')).toBe(true);
    expect(parsed()).toEqual([
      {
        time: '2026-01-02T03:04:05.000Z',
        level: 'info',
        message: 'caught up',
        part: 'fleet',
        revision: '7',
      },
    ]);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = recorded();
    log.debug('path taken');
    expect(lines).toEqual([]);
  });

  it('writes an error with its causes and keeps a newline inside the line', () => {
    const { log, lines, parsed } = recorded();
    log.error('failed', { error: new Error('outer\nline', { cause: new TypeError('inner') }) });
    expect(lines[0]?.split('\n')).toHaveLength(2);
    expect(parsed()[0]).toMatchObject({ error: 'Error: outer\nline <- TypeError: inner' });
  });

  it('writes errors of another realm, what several attempts failed for, and a cause that is no error', () => {
    const foreign = runInNewContext(
      "new Error('outer', { cause: new AggregateError([new TypeError('first'), 1], '') })",
    ) as unknown;
    expect(describeError(foreign)).toBe('Error: outer <- AggregateError:  <- TypeError: first');
    expect(describeError(new Error('outer', { cause: 'words' }))).toBe('Error: outer <- words');
    expect(describeError(undefined)).toBe('undefined');
    const { log, parsed } = recorded();
    log.warn('odd', { error: foreign });
    expect(parsed()[0]).toMatchObject({ error: expect.stringContaining('TypeError: first') });
  });

  it('survives a cycle and cuts a value that is too long', () => {
    const { log, parsed } = recorded();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    log.warn('odd', { cycle });
    log.warn('long', { text: 'x'.repeat(10_000) });
    expect(parsed()[0]).toMatchObject({ message: 'odd' });
    expect(JSON.stringify(parsed()[1]).length).toBeLessThan(5_000);
  });

  it('takes the lines of Nest, which are debugging unless they warn', () => {
    const { log, parsed } = recorded();
    const nest = new NestLogger(log);
    nest.log('Mapped route', 'Router');
    nest.warn('slow', 'Router');
    expect(parsed()).toMatchObject([{ level: 'warn', message: 'framework', text: 'slow' }]);
  });
});
