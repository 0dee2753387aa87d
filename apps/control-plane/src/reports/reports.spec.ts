import { describe, expect, it } from '@jest/globals';
import type { NodeReport } from '#contracts';
import { parseReport } from './parse-report.js';
import { ReportBoard } from './report-board.js';
import { ShapeError } from '../shape/shape.js';

const NODE = 'b'.repeat(64);
const good: NodeReport = {
  v: 1,
  nodeId: NODE,
  sequence: 1,
  bootedAt: '2026-03-01T11:00:00.000Z',
  asOf: '2026-03-01T12:00:00.000Z',
  enforcer: 'observe',
  applied: { epoch: '1', generation: '4', issuedAt: 5, bundleDigest: 'a'.repeat(64) },
  qualifiers: ['stale'],
  drift: [{ what: 'profile', detectedAt: '2026-03-01T12:00:00.000Z' }],
  policies: [{ policy: 'p', revision: '4', rules: [{ id: 'r', state: 'enforced' }] }],
  host: { hostname: 'h', kernel: 'k', lsm: [] },
  versions: { agent: '1', sensor: '1' },
  losses: { audit: 0, spool: 0 },
};
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe('a report of a host', () => {
  it('is read as it is', () => {
    expect(parseReport(bytes(good), NODE)).toEqual(good);
  });

  it.each<[string, unknown]>([
    ['of another host', { ...good, nodeId: 'c'.repeat(64) }],
    ['of another version', { ...good, v: 2 }],
    ['with a field nobody knows', { ...good, admin: true }],
    [
      'with a state nobody knows',
      { ...good, policies: [{ policy: 'p', revision: '4', rules: [{ id: 'r', state: 'fine' }] }] },
    ],
    [
      'with a generation that is no number',
      { ...good, applied: { ...good.applied, generation: '-1' } },
    ],
    ['with a negative count', { ...good, losses: { audit: -1, spool: 0 } }],
    ['with a date that is none', { ...good, asOf: 'yesterday' }],
    ['with too many drifts', { ...good, drift: Array(101).fill(good.drift[0]) }],
    ['with a missing part', { ...good, host: undefined }],
    ['that is a list', []],
    ['that is null', null],
  ])('%s is refused', (_title, value) => {
    expect(() => parseReport(bytes(value), NODE)).toThrow(ShapeError);
  });

  it('that is no JSON is refused', () => {
    expect(() => parseReport(new Uint8Array([0xff, 0xfe]), NODE)).toThrow(ShapeError);
  });
});

describe('the board of reports', () => {
  it('keeps the newest of a host, by start of the agent and then by sequence', () => {
    const board = new ReportBoard();
    expect(board.put({ ...good, sequence: 5 }, 1)).toBe(true);
    expect(board.put({ ...good, sequence: 4 }, 2)).toBe(false);
    expect(board.put({ ...good, sequence: 5 }, 3)).toBe(false);
    expect(board.put({ ...good, sequence: 0, bootedAt: '2026-03-01T11:00:01.000Z' }, 4)).toBe(true);
    expect(board.put({ ...good, sequence: 99 }, 5)).toBe(false);
    expect(board.get(NODE)?.receivedAtMs).toBe(4);
  });
});
