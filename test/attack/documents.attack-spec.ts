import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { generateSigningKey } from '#bundle';
import type { Envelope } from '#contracts';
import { AttackedHost, onAttackedHost } from './support/attacked-host.js';
import {
  Authority,
  type Enrolled,
  type Parcel,
  managedPolicy,
  publicPart,
} from './support/authority.js';

/** Bytes to flip in each run; the same every time, so that a failure comes again. */
const FLIPS = 120;
const SEED = 20_261_125;

/** Managed mode. The attacker owns Redis and the way to the host, and has every envelope that was ever sent. */
onAttackedHost('whoever owns the way to a host', () => {
  let control: Authority;
  let enrolled: Enrolled;
  let host: AttackedHost;
  let envelope: Buffer;

  beforeEach(async () => {
    control = new Authority();
    enrolled = control.enrol();
    host = await AttackedHost.start(enrolled);
    envelope = await deliver(10, 'block');
    expect(await host.offer(envelope)).toBe('applied');
  });
  afterEach(() => host.stop());

  function deliver(
    generation: number,
    names: string,
    more: Partial<Parcel> = {},
    to = enrolled,
  ): Promise<Buffer> {
    const all = names.split(' ').filter((name) => name !== '');
    const entries = all.map((name) => [
      name,
      managedPolicy(name, '/usr/bin/sleep', control.online),
    ]);
    return control.deliver(to, { generation, policies: Object.fromEntries(entries), ...more });
  }

  /** The code, when nothing that decides about enforcement has changed by it. */
  async function refusal(bytes: Uint8Array): Promise<string> {
    const before = await host.everything();
    const code = await host.offer(bytes);
    expect(await host.everything()).toBe(before);
    return code;
  }

  const edited = (change: (envelope: Envelope) => unknown): Buffer => {
    const copy = JSON.parse(envelope.toString('utf8')) as Envelope;
    return Buffer.from(JSON.stringify(change(copy) ?? copy));
  };

  it('ATTACKER: rolls the host back to what it enforced before', async () => {
    expect(await host.offer(await deliver(11, 'block more'))).toBe('applied');
    expect(await refusal(envelope)).toBe('stale-order');
    expect(await host.enforced()).toEqual(['block enforce', 'more enforce']);
  });

  it('ATTACKER: replays the assignment of a policy after its deletion', async () => {
    expect(await host.offer(await deliver(11, ''))).toBe('applied');
    expect(await refusal(envelope)).toBe('stale-order');
    expect(await host.enforced()).toEqual([]);
  });

  it('ATTACKER: replays it after the programs of the host were killed', async () => {
    expect(await host.offer(await deliver(11, ''))).toBe('applied');
    await host.kill();
    await host.run();
    expect(await host.offer(envelope)).toBe('stale-order');
  });

  it('ATTACKER: freezes the host with an assignment that is kept back until it has expired', async () => {
    const kept = await deliver(11, 'old', { issuedAt: Date.now() - 2_000, validMs: 1_000 });
    expect(await refusal(kept)).toBe('expired');
    expect(await host.enforced()).toEqual(['block enforce']);
  });

  it('ATTACKER: swaps the envelopes of two hosts', async () => {
    const others = await deliver(11, 'other', {}, control.enrol());
    expect(await refusal(others)).toBe('not-for-this-node');
  });

  it('ATTACKER: mixes the record of one assignment with the bundle of another', async () => {
    const newer = JSON.parse((await deliver(11, 'more')).toString('utf8')) as Envelope;
    const older = JSON.parse(envelope.toString('utf8')) as Envelope;
    expect(await refusal(edited(({ bundle }) => ({ ...newer, bundle })))).toBe(
      'bundle-digest-mismatch',
    );
    const record = { ...newer.record, leaf: older.record.leaf };
    expect(await refusal(Buffer.from(JSON.stringify({ ...newer, record })))).toBe('bad-proof');
  });

  it('ATTACKER: runs ahead by changing the assignment version that is not sealed', async () => {
    const ahead = edited((copy) => ({
      ...copy,
      record: {
        ...copy.record,
        assignmentVersion: { ...copy.record.assignmentVersion, generation: '99' },
      },
    }));
    expect(await refusal(ahead)).toBe('malformed');
  });

  it(`ATTACKER: flips bytes of the envelope, ${FLIPS} of them, one at a time`, async () => {
    const next = await deliver(11, 'more');
    const random = seeded(SEED);
    for (let count = 0; count < FLIPS; count += 1) {
      const at = Math.floor(random() * next.length);
      const flipped = Buffer.from(next);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << Math.floor(random() * 7)), at);
      expect([at, await host.offer(flipped)]).not.toEqual([at, 'applied']);
    }
    expect(await host.enforced()).toEqual(['block enforce']);
    expect(await host.offer(next)).toBe('applied');
  });

  it('ATTACKER: sends endless data', async () => {
    const large = edited(({ record }) => ({ v: 1, record, bundle: 'A'.repeat(24 * 1024 * 1024) }));
    expect(await refusal(large)).toBe('too-large');
    const roots = Array.from({ length: 40 }, () => control.roots[0]);
    expect(
      await refusal(edited((copy) => ({ ...copy, record: { ...copy.record, root: roots } }))),
    ).toBe('too-large');
  });

  it('ATTACKER: signs a policy with a key of its own', async () => {
    const foreign = managedPolicy('foreign', '/usr/bin/sleep', generateSigningKey());
    const parcel = { generation: 11, policies: { foreign } };
    expect(await refusal(await control.deliver(enrolled, parcel))).toBe('unknown-key');
  });

  it('ATTACKER: opens a new epoch with too few root signatures, or with root keys of its own', async () => {
    const document = control.rootDocument({ epoch: '2' });
    const [one] = control.rootKeys;
    const own = generateSigningKey();
    const forged = {
      ...document,
      root: { threshold: 1, keys: [publicPart(own)] },
      online: [publicPart(control.online)],
    };
    const weak = { ...document, root: { ...document.root, threshold: 1 } };
    for (const root of [control.sign(forged, [own]), control.sign(weak, one ? [one] : [])]) {
      const attempt = await control.deliver(enrolled, {
        generation: 1,
        roots: [...control.roots, root],
      });
      expect(['unknown-key', 'bad-signature']).toContain(await refusal(attempt));
    }
  });

  it('ATTACKER: goes back to an older root document, also after a restart', async () => {
    control.moveOn({ epoch: '2' });
    expect(await host.offer(await deliver(1, 'block'))).toBe('applied');
    await host.kill();
    await host.run();
    const [first] = control.roots;
    const older = await deliver(99, 'more', { roots: first ? [first] : [] });
    expect(await refusal(older)).toBe('root-rollback');
  });

  it('a host that was away follows every root document that it missed, and keeps the newest', async () => {
    for (const epoch of ['2', '3', '3']) control.moveOn({ epoch });
    expect(await host.offer(await deliver(1, 'block more'))).toBe('applied');
    await host.kill();
    await host.run();
    const newest = control.roots.slice(-1);
    expect(await host.offer(await deliver(2, 'block', { roots: newest }))).toBe('applied');
  });

  it("a host's clock that went back to 1970 lets nothing in that had expired when it was signed", async () => {
    const late = await deliver(11, 'late', { issuedAt: Date.now() - 5_000, validMs: 1_000 });
    expect(await refusal(late)).toBe('expired');
  });

  it("the owner's veto is not overridden, and says why", async () => {
    await host.write('agent.yaml', 'veto: [{paths: [/usr/bin/sleep], reason: it is ours}]\n');
    expect(await host.offer(await deliver(11, 'block'))).toBe('applied');
    expect(await host.enforced()).toEqual(['block refused']);
    expect(await host.profiles()).not.toContain('/usr/bin/sleep');
  });
});

/** mulberry32: small and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
