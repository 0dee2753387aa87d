import { describe, expect, it } from '@jest/globals';
import { Progress } from './progress.js';

function onto(stream: { isTTY?: boolean; columns?: number }) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const write = (text: string): void => void written.push(text);
  const progress = new Progress({ ...stream, write }, () => clock.ms);
  return { written, clock, progress };
}

describe('progress', () => {
  it('writes one line anew on a terminal, and takes it off once', () => {
    const { written, progress } = onto({ isTTY: true, columns: 20 });
    progress.show('1 of 3');
    progress.show('2 of 3, and a text that is too long');
    progress.clear();
    progress.clear();
    expect(written).toEqual(['\r1 of 3\u001b[K', '\r2 of 3, and a text…\u001b[K', '\r\u001b[K']);
  });

  it('writes a plain line every ten seconds elsewhere, none at first', () => {
    const { written, clock, progress } = onto({});
    for (clock.ms = 0; clock.ms <= 25_000; clock.ms += 500) progress.show(`at ${clock.ms}`);
    progress.clear();
    expect(written).toEqual(['at 10000\n', 'at 20000\n']);
  });

  it('draws on a terminal what has another text elsewhere', () => {
    const [terminal, log] = [onto({ isTTY: true, columns: 80 }), onto({})];
    log.clock.ms = 10_000;
    for (const { progress } of [terminal, log]) progress.show('half', '[##--]');
    expect([terminal.written, log.written]).toEqual([['\r[##--]\u001b[K'], ['half\n']]);
  });

  it('lets no name move the cursor', () => {
    const { written, progress } = onto({ isTTY: true, columns: 0 });
    progress.show('web1\u001b[2J\nforged');
    expect(written.join('')).toBe('\rweb1?[2J?forged\u001b[K');
  });
});
