import { describe, expect, it } from '@jest/globals';
import {
  AUDIT_LOG_START,
  generateSigningKey,
  auditLogEntry,
  loadSigner,
  signAuditLogHead,
  signRestoration,
  signStatus,
  type AuditLogEntry,
} from '#bundle';
import { heldBy, type Held } from './held-heads.js';
import { verifyAuditLog, type AuditLogSource, type KeptHead } from './verify-audit-log.js';

const signer = loadSigner(generateSigningKey().privateKey);
const keys = [{ keyid: signer.keyid, key: signer.key }];

function chain(length: number, object = 'x', start = AUDIT_LOG_START): AuditLogEntry[] {
  const entries: AuditLogEntry[] = [];
  for (let seq = start.seq + 1; seq <= start.seq + length; seq += 1) {
    const last = entries.at(-1) ?? start;
    entries.push(
      auditLogEntry({
        ...{ v: 1, seq, time: '2026-03-01T12:00:00.000Z', actor: 'admin', source: '' },
        ...{ action: 'apply', object, revision: '1', outcome: 'done', detail: {}, prev: last.hash },
      }),
    );
  }
  return entries;
}

const sign = ({ seq, hash }: { seq: number; hash: string }) =>
  signAuditLogHead({ v: 1, seq, hash, at: 1 }, signer);

const NOBODY: Held = { heads: [], heard: 0, silent: [], strange: [] };

/** A control plane that serves `entries`, with the heads that were signed for `signed`, and with what hosts hold. */
function serving(
  entries: readonly AuditLogEntry[],
  signed = entries,
  held: Held = NOBODY,
): AuditLogSource {
  const headOf = (entry: AuditLogEntry | undefined) => ({ head: entry && sign(entry), keys });
  return {
    head: () => Promise.resolve(headOf(signed.at(-1))),
    held: () => Promise.resolve(held),
    headAt: (seq) => Promise.resolve(headOf(signed.find((each) => each.seq === seq))),
    from: (seq, limit) =>
      Promise.resolve(entries.filter((each) => each.seq >= seq).slice(0, limit)),
  };
}

const kept = (entry: AuditLogEntry | undefined): KeptHead => ({
  seq: entry?.seq ?? 0,
  hash: entry?.hash ?? '',
  keys,
});

describe('the verification of an audit log', () => {
  it('finds a whole one whole, from the beginning and from a number', async () => {
    const entries = chain(1_200);
    expect(await verifyAuditLog({ source: serving(entries) })).toMatchObject({
      ...{ whole: true, verified: 1_200, head: { seq: 1_200 } },
    });
    expect(await verifyAuditLog({ source: serving(entries), since: 1_001 })).toMatchObject({
      ...{ whole: true, verified: 200 },
    });
    expect(await verifyAuditLog({ source: serving([]) })).toMatchObject({
      whole: true,
      verified: 0,
    });
  });

  const whole = chain(20);
  const edited = whole.map((entry) => (entry.seq === 7 ? { ...entry, actor: 'nobody' } : entry));
  const rewritten = [...whole.slice(0, 6), ...chain(14, 'y', whole[5])];
  it.each([
    ['an entry was edited', edited, 7],
    ['an entry is missing', whole.filter(({ seq }) => seq !== 7), 7],
    ['entries at the end are missing', whole.slice(0, 15), 16],
    ['all are missing', [], 1],
    ['all after an entry were computed anew', rewritten, 7],
  ])('says where %s', async (_title, entries, badSeq) => {
    const source = serving(entries, whole);
    expect(await verifyAuditLog({ source })).toMatchObject({ whole: false, badSeq });
  });

  it('sees by the head of the last run what was cut off and signed again, or made anew', async () => {
    const before = kept(whole.at(-1));
    const cut = serving(whole.slice(0, 10));
    expect(await verifyAuditLog({ source: cut, kept: before })).toMatchObject({
      ...{ whole: false, badSeq: 11 },
    });
    expect(await verifyAuditLog({ source: serving([]), kept: before })).toMatchObject({
      ...{ whole: false, badSeq: 1 },
    });
    const again = serving(rewritten);
    expect(await verifyAuditLog({ source: again, kept: before })).toMatchObject({ whole: false });
  });

  it('believes no key but that of the last run', async () => {
    const other = loadSigner(generateSigningKey().privateKey);
    const believing = { ...kept(whole[0]), keys: [{ keyid: other.keyid, key: other.key }] };
    await expect(verifyAuditLog({ source: serving(whole), kept: believing })).rejects.toThrow();
    expect(await verifyAuditLog({ source: serving(whole), kept: believing, keys })).toMatchObject({
      whole: true,
    });
    const asked = verifyAuditLog({ source: serving(whole), keys: believing.keys });
    await expect(asked).rejects.toThrow();
  });

  it('sees by what hosts hold, on a first run, what was cut off or made anew under the same key', async () => {
    const heads = whole.slice(9, 10).map(({ seq, hash }) => ({ seq, hash, at: 1, node: 'web1' }));
    const held = { ...NOBODY, heads };
    const cut = whole.slice(0, 8);
    expect(await verifyAuditLog({ source: serving(cut, cut, held) })).toMatchObject({
      ...{
        whole: false,
        badSeq: 9,
        why: expect.stringContaining('host web1 saw entries up to 10'),
      },
    });
    expect(await verifyAuditLog({ source: serving([], [], held) })).toMatchObject({ badSeq: 1 });
    const again = serving(rewritten, rewritten, held);
    expect(await verifyAuditLog({ source: again })).toMatchObject({
      ...{ whole: false, badSeq: 10, why: expect.stringContaining('host web1 saw') },
    });
    expect(await verifyAuditLog({ source: serving(whole, whole, held) })).toMatchObject({
      whole: true,
    });
  });
});

describe('the verification of an audit log that was restored from a backup', () => {
  const before = chain(20);
  const told = (by = signer): AuditLogEntry => {
    const restoration = { v: 1, backupAt: 1, restoredAt: 5, revision: 1, goesOnAt: 2 } as const;
    const { hash: _, ...content } = chain(1, 'x', before[9])[0] ?? fail();
    const detail = { restoration: signRestoration(restoration, by) };
    return auditLogEntry({ ...content, action: 'audit-log.restored', detail });
  };
  const restored = (by = signer) => {
    const entry = told(by);
    return [...before.slice(0, 10), entry, ...chain(4, 'z', entry)];
  };
  const heads = [{ seq: 18, hash: before[17]?.hash ?? '', at: 4, node: 'web1' }];
  const after = (entries: readonly AuditLogEntry[], held: Held = { ...NOBODY, heads }) =>
    serving(entries, entries, held);

  it('misses what was lost until the operator confirms it, and not after that', async () => {
    const source = after(restored());
    expect(await verifyAuditLog({ source, kept: kept(before.at(-1)) })).toMatchObject({
      ...{ whole: false, restored: [11] },
    });
    const verdict = await verifyAuditLog({ source, kept: kept(before.at(-1)), restored: 11 });
    if (!verdict.whole) throw new Error(verdict.why);
    expect(await verifyAuditLog({ source, kept: verdict.head })).toMatchObject({ whole: true });
  });

  it('misses what was cut off or made anew since, which the restore does not explain', async () => {
    const since = [{ seq: 14, hash: 'f'.repeat(64), at: 6, node: 'web1' }];
    const source = after(restored(), { ...NOBODY, heads: since });
    expect(await verifyAuditLog({ source, restored: 11 })).toMatchObject({ badSeq: 14 });
    const first = await verifyAuditLog({ source: after(restored(), NOBODY), restored: 11 });
    if (!first.whole) throw new Error(first.why);
    const undone = after([...before.slice(0, 10), ...chain(9, 'w', before[9])], NOBODY);
    expect(await verifyAuditLog({ source: undone, kept: first.head })).toMatchObject({
      ...{ whole: false, badSeq: 11 },
    });
  });

  it('takes nobody’s word for it but that of the online key', async () => {
    const forged = after(restored(loadSigner(generateSigningKey().privateKey)));
    expect(await verifyAuditLog({ source: forged })).toMatchObject({ whole: false, restored: [] });
    await expect(verifyAuditLog({ source: forged, restored: 11 })).rejects.toThrow('no restore');
    await expect(verifyAuditLog({ source: forged, restored: 3 })).rejects.toThrow('no restore');
  });
});

function fail(): never {
  throw new Error('there is no entry');
}

describe('what hosts hold of an audit log', () => {
  const NOW = 1_800_000_000_000;
  const host = loadSigner(generateSigningKey().privateKey);
  const [first] = chain(1);
  const head = sign(first ?? AUDIT_LOG_START);
  const view = (node: string, auditLog: readonly unknown[], at = NOW, by = host) => ({
    ...{ node, nodeId: by.keyid, key: by.key },
    signedStatus: signStatus(
      {
        ...({ v: 1, nodeId: by.keyid, bootedAt: 1, sequence: 1, at, asOf: at } as const),
        ...({ rootVersion: 1, enforcer: 'none', mode: 'off', conditions: [] } as const),
        ...{ policies: [], auditLog },
      },
      by,
    ),
  });
  const noPin = () => undefined;

  it('is what a believed key signed, out of signed statuses that the hosts signed', () => {
    const held = heldBy([view('web1', [head])], keys, noPin, NOW);
    expect(held).toMatchObject({ heads: [{ node: 'web1', seq: 1 }], heard: 1, silent: [] });
  });

  it('is nothing that a host made up, nor what another signed under a pinned name', () => {
    const own = signAuditLogHead({ v: 1, seq: 900, hash: 'f'.repeat(64), at: 1 }, host);
    expect(heldBy([view('web1', [own])], keys, noPin, NOW)).toMatchObject({
      ...{ heads: [], strange: ['web1'] },
    });
    const pinned = () => signer.keyid;
    expect(heldBy([view('web1', [head])], keys, pinned, NOW)).toMatchObject({
      ...{ heads: [], silent: ['web1'] },
    });
  });

  it('counts also where the host has been silent since, which is said', () => {
    const held = heldBy([view('web1', [head], NOW - 3_600_000)], keys, noPin, NOW);
    expect(held).toMatchObject({ heads: [{ seq: 1 }], silent: ['web1'] });
    const bare = { node: 'web2', nodeId: host.keyid, key: host.key };
    expect(heldBy([bare], keys, noPin, NOW).silent).toEqual(['web2']);
  });
});
