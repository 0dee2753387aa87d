import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  generateSigningKey,
  auditLogHeadName,
  loadSigner,
  signAuditLogHead,
  verifySignedStatus,
  type HostSignedStatus,
  type RootDocument,
} from '#bundle';
import { Log } from '#observability';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { AuditLogHeads } from './audit-log-heads.js';
import { SignedStatuses, type SignedStatus } from './signed-statuses.js';

class SetClock extends Clock {
  time = 1_000_000;
  now(): number {
    return this.time;
  }
  elapsed(): number {
    return this.time;
  }
  random(): number {
    return 0.5;
  }
  wait(): Promise<void> {
    return Promise.resolve();
  }
}

const key = generateSigningKey();
const online = generateSigningKey();
let dir: string;
let around: Context;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-signed-statuses-'));
  around = new Context(new SetClock(), new Log({ write: () => undefined }));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One array, as a host has it while nothing new is published. */
const NO_HEADS: HostSignedStatus['auditLog'] = [];

const signedStatus = (at: number, sequence: number, over: Partial<HostSignedStatus> = {}) => ({
  ...({ v: 1, nodeId: key.keyid, bootedAt: 1, sequence, at, asOf: at, rootVersion: 1 } as const),
  ...({ enforcer: 'apparmor', mode: 'enforce', conditions: [], policies: [] } as const),
  ...{ auditLog: NO_HEADS, ...over },
});

async function signedStatuses(privateKey = key.privateKey): Promise<SignedStatuses> {
  const file = join(dir, 'signing.key');
  writeFileSync(file, `${privateKey}\n`);
  const pace = { minSeconds: 10, everySeconds: 240 };
  return SignedStatuses.open(file, key.keyid, pace, around);
}

const verified = (signed: SignedStatus | undefined): HostSignedStatus =>
  verifySignedStatus(signed?.document, key.key, key.keyid);

describe('what a host signs of itself', () => {
  it('is signed at a change, not more often than the pace allows, and anew after its time', async () => {
    const made = await signedStatuses();
    const sequenceOf = (at: number, sequence: number, over?: Partial<HostSignedStatus>) =>
      verified(made.of(signedStatus(at, sequence, over), 60_000)).sequence;
    expect(sequenceOf(0, 1)).toBe(1);
    expect(sequenceOf(60_000, 2)).toBe(1);
    expect(sequenceOf(60_000, 3, { mode: 'audit' })).toBe(3);
    expect(sequenceOf(65_000, 4)).toBe(3);
    expect(sequenceOf(70_000, 5)).toBe(5);
    expect(sequenceOf(309_999, 6)).toBe(5);
    expect(sequenceOf(310_000, 7)).toBe(7);
  });

  it('is not signed for new heads of the audit log alone before a report is due, in a fleet of any size', async () => {
    const heads = (seq: number) => [
      signAuditLogHead({ v: 1, seq, hash: 'a'.repeat(64), at: seq }, loadSigner(online.privateKey)),
    ];
    const signedAt = async (reportEveryMs: number): Promise<readonly number[]> => {
      const made = await signedStatuses();
      const sequences = [0, 5, 10, 49, 50, 55, 99, 100].map((seconds, n) => {
        const said = signedStatus(seconds * 1_000, n, { auditLog: heads(n) });
        const signed = made.of(said, reportEveryMs);
        expect(signed?.heads).toEqual(verified(signed).auditLog.map(auditLogHeadName));
        return verified(signed).sequence;
      });
      return [...new Set(sequences)];
    };
    expect(await signedAt(60_000)).toEqual([0, 4, 7]);
    expect(await signedAt(10_000)).toEqual([0, 2, 3, 6]);
  });

  it('is signed anew where the clock went back', async () => {
    const made = await signedStatuses();
    made.of(signedStatus(500_000, 1), 10_000);
    const after = verified(made.of(signedStatus(1_000, 2), 10_000));
    expect(after.at).toBe(1_000);
  });

  it.each([
    ['there is no key', undefined],
    ['the key is of another host', generateSigningKey().privateKey],
    ['what is there is no key', 'nonsense'],
  ])('is nothing where %s, which is a condition', async (_title, privateKey) => {
    const made = privateKey
      ? await signedStatuses(privateKey)
      : await SignedStatuses.open(
          join(dir, 'none'),
          key.keyid,
          { minSeconds: 1, everySeconds: 10 },
          around,
        );
    expect(made.of(signedStatus(0, 1), 10_000)).toBeUndefined();
    expect(around.conditions.has('signed-status')).toBe(true);
  });

  it('that no reader would take does not end the reports', async () => {
    const made = await signedStatuses();
    expect(made.of(signedStatus(0, 1, { conditions: ['x'.repeat(100)] }), 10_000)).toBeUndefined();
    expect(around.conditions.has('signed-status')).toBe(true);
    expect(made.of(signedStatus(1, 2), 10_000)).toBeDefined();
    expect(around.conditions.has('signed-status')).toBe(false);
  });
});

describe('the heads of the audit log that a host keeps', () => {
  const root = { online: [{ keyid: online.keyid, key: online.key }] } as unknown as RootDocument;
  const head = (seq: number, by = online, mark = 'a') =>
    signAuditLogHead({ v: 1, seq, hash: mark.repeat(64), at: seq }, loadSigner(by.privateKey));
  const file = () => join(dir, 'audit-log-heads.json');
  const open = (of = root) => AuditLogHeads.open(file(), () => of, around);

  it('are what an online key signed, and are there after a restart', async () => {
    const heads = await open();
    await heads.take(head(1));
    await heads.take(head(5));
    await heads.take(head(9, generateSigningKey()));
    for (const nonsense of [undefined, null, 7, 'x', {}, { ...head(9), payload: 'AAAA' }])
      await heads.take(nonsense);
    expect(heads.signed).toEqual([head(1), head(5)]);
    expect((await open()).signed).toEqual([head(1), head(5)]);
  });

  it('are the same array until there is another one, however often they are published', async () => {
    const heads = await open();
    await heads.take(head(1));
    const before = heads.signed;
    for (const again of [head(1), structuredClone(head(1)), generateSigningKey()])
      await heads.take(again);
    expect(heads.signed).toBe(before);
    await heads.take(head(2));
    await heads.take(head(1));
    expect(heads.signed).toEqual([head(1), head(2)]);
  });

  it('begin anew where the file is damaged', async () => {
    writeFileSync(file(), '{"v":1,"heads":[7]}');
    const heads = await open();
    expect(heads.signed).toEqual([]);
    await heads.take(head(2));
    expect(readFileSync(file(), 'utf8')).toContain(head(2).payload);
  });

  it('of a key that the root document has taken back give way to those of the new one', async () => {
    await (await open()).take(head(1_000_000));
    const fresh = generateSigningKey();
    const next = { online: [{ keyid: fresh.keyid, key: fresh.key }] } as unknown as RootDocument;
    const heads = await open(next);
    await heads.take(head(7, fresh));
    expect(heads.signed).toEqual([head(7, fresh)]);
  });
});
