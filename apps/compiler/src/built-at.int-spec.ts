import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function builtAt(more: Record<string, string> = {}): string {
  const { SOURCE_DATE_EPOCH: _own, ...rest } = env;
  const script = 'root=$1; . "$1/tools/prepare.sh"; built_at_ms';
  const options = { env: { ...rest, ...more }, encoding: 'utf8' } as const;
  return execFileSync('sh', ['-euc', script, 'sh', root], options).trim();
}

describe('the time of a build', () => {
  it('is the one that it is told, so that it can be made again', () => {
    expect(builtAt({ SOURCE_DATE_EPOCH: '1700000000' })).toBe('1700000000000');
  });

  it('else is that of the commit, or now where there is none or it is nonsense', () => {
    expect(Number(builtAt())).toBeLessThanOrEqual(Date.now());
    expect(Number(builtAt())).toBeGreaterThan(Date.parse('2026-01-01'));
    expect(Number(builtAt({ SOURCE_DATE_EPOCH: 'soon' }))).toBeLessThanOrEqual(Date.now());
  });

  it('is in the program that was built', () => {
    const built = readFileSync(`${root}dist/apps/compiler/src/built-at.js`, 'utf8');
    const [, ms = ''] = /^export const BUILT_AT_MS = (\d{13});$/m.exec(built) ?? [];
    expect(Number(ms)).toBeGreaterThan(Date.parse('2026-01-01'));
    expect(Number(ms)).toBeLessThanOrEqual(Date.now());
  });
});
