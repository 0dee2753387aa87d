import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { generateSigningKey } from '#bundle';
import { AttackedHost, onAttackedHost } from './support/attacked-host.js';
import {
  Authority,
  type Enrolled,
  type Parcel,
  deletion,
  group,
  labels,
  policy,
  publicPart,
  scoped,
} from './support/authority.js';

/**
 * Authored mode. The attacker has the control plane whole: online key, epoch secret, the keys shared with every host,
 * etcd and Redis. It lacks the authors' and the root keys.
 */
onAttackedHost('a stolen online key in authored mode', () => {
  let control: Authority;
  let enrolled: Enrolled;
  let host: AttackedHost;
  let block: ReturnType<typeof policy>;
  let prod: ReturnType<typeof labels>;

  beforeEach(async () => {
    control = new Authority({ mode: 'authored' });
    enrolled = control.enrol();
    host = await AttackedHost.start(enrolled);
    block = policy('block', { version: 2 }, control.author);
    prod = labels(enrolled, { env: 'prod' }, 2, control.author);
    expect(await offer({ generation: 10, policies: { block }, labels: prod })).toBe('applied');
    expect(await host.enforced()).toEqual(['block enforce']);
  });
  afterEach(() => host.stop());

  const offer = async (parcel: Parcel) => host.offer(await control.deliver(enrolled, parcel));

  /** Whatever is offered, nothing of what decides about enforcement changes, not by a byte. */
  async function refusedAs(parcel: Parcel): Promise<string> {
    const before = await host.everything();
    const code = await offer(parcel);
    expect(await host.everything()).toBe(before);
    expect(await host.enforced()).toEqual(['block enforce']);
    return code;
  }

  it('ATTACKER: adds a policy, signed by the online key or by a key of its own', async () => {
    for (const key of [control.online, generateSigningKey()]) {
      const more = policy('more', {}, key);
      const parcel = { generation: 11, policies: { block, more }, labels: prod };
      expect(await refusedAs(parcel)).toBe('unknown-key');
    }
  });

  it('ATTACKER: weakens a policy by a version of its own', async () => {
    const weaker = policy('block', { version: 3, path: '/nowhere' }, control.online);
    const parcel = { generation: 11, policies: { block: weaker }, labels: prod };
    expect(await refusedAs(parcel)).toBe('unknown-key');
  });

  it('ATTACKER: weakens a policy by an older version that its author once signed', async () => {
    const older = policy('block', { version: 1, path: '/nowhere' }, control.author);
    const parcel = { generation: 11, policies: { block: older }, labels: prod };
    expect(await refusedAs(parcel)).toBe('document-rollback');
  });

  it('ATTACKER: removes a policy by leaving it out, or by a deletion of its own', async () => {
    expect(await refusedAs({ generation: 11, labels: prod })).toBe('withheld');
    const gone = deletion('policy', 'block', 3, control.online);
    const parcel = { generation: 11, policies: { block: gone }, labels: prod };
    expect(await refusedAs(parcel)).toBe('unknown-key');
  });

  it('ATTACKER: removes a policy by relabelling the host, by taking its labels, by labels of another host', async () => {
    const policies = { block };
    const own = labels(enrolled, { env: 'dev' }, 3, control.online);
    expect(await refusedAs({ generation: 11, policies, labels: own })).toBe('unknown-key');
    expect(await refusedAs({ generation: 11, policies })).toBe('withheld');
    const older = labels(enrolled, { env: 'dev' }, 1, control.author);
    expect(await refusedAs({ generation: 11, policies, labels: older })).toBe('document-rollback');
    const others = labels(control.enrol(), { env: 'dev' }, 9, control.author);
    expect(await refusedAs({ generation: 11, policies, labels: others })).toBe('not-for-this-node');
  });

  it('ATTACKER: moves the host by a group of its own', async () => {
    const web = group('web', { env: 'prod' }, 1, control.online);
    const parcel = { generation: 11, policies: { block }, groups: { web }, labels: prod };
    expect(await refusedAs(parcel)).toBe('unknown-key');
  });

  it('ATTACKER: suspends enforcement', async () => {
    const suspension = { mode: 'off', until: Date.now() + 60_000, reason: 'maintenance' } as const;
    const parcel = { generation: 11, policies: { block }, labels: prod, suspension };
    expect(await refusedAs(parcel)).toBe('unsigned-suspension');
  });

  it('ATTACKER: puts the fleet back into managed mode by a root document of its own', async () => {
    const own = generateSigningKey();
    const keys = { threshold: 1, keys: [publicPart(own)] };
    const forged = control.sign(control.rootDocument({ mode: 'managed', root: keys }), [own]);
    const roots = [...control.roots, forged];
    expect(await refusedAs({ generation: 11, roots })).toBe('unknown-key');
  });

  it('ATTACKER: has the key of an author with a narrow scope, and goes beyond it', async () => {
    const { author, second } = control;
    const narrow = scoped(second, { documents: ['policy'], sections: ['file'] });
    control.moveOn({ mode: 'authored', authors: [publicPart(author), narrow] });
    const parcel = { generation: 11, labels: prod };
    const weaker = policy('block', { version: 3, path: '/nowhere' }, second);
    expect(await refusedAs({ ...parcel, policies: { block: weaker } })).toBe('out-of-scope');
    const gone = deletion('policy', 'block', 3, second);
    expect(await refusedAs({ ...parcel, policies: { block: gone } })).toBe('out-of-scope');
    const own = labels(enrolled, { env: 'dev' }, 3, second);
    const relabelled = { ...parcel, policies: { block }, labels: own };
    expect(await refusedAs(relabelled)).toBe('out-of-scope');
  });

  it('ATTACKER: has the key of an author with a narrow scope, and ends a policy by its group or by labels', async () => {
    const { author, second } = control;
    block = policy('block', { version: 3, labels: { 'hostward.io/group': 'web' } }, author);
    const held = {
      policies: { block },
      groups: { web: group('web', { env: 'prod' }, 1, author) },
      labels: prod,
    };
    expect(await offer({ ...held, generation: 11 })).toBe('applied');
    const narrow = scoped(second, { sections: ['file'] });
    control.moveOn({ mode: 'authored', authors: [publicPart(author), narrow] });
    const groups = { web: group('web', { env: 'dev' }, 2, second) };
    expect(await refusedAs({ ...held, groups, generation: 12 })).toBe('out-of-scope');
    const own = labels(enrolled, { env: 'dev' }, 3, second);
    expect(await refusedAs({ ...held, labels: own, generation: 12 })).toBe('out-of-scope');
  });

  it('ATTACKER: offers an older version again after a restart of everything on the host', async () => {
    await host.kill();
    await host.run();
    const older = policy('block', { version: 1, path: '/nowhere' }, control.author);
    const parcel = { generation: 11, policies: { block: older }, labels: prod };
    expect(await refusedAs(parcel)).toBe('document-rollback');
  });

  it('a policy ends by what its author signs, and then only', async () => {
    const gone = deletion('policy', 'block', 3, control.author);
    const parcel = { generation: 11, policies: { block: gone }, labels: prod };
    expect(await offer(parcel)).toBe('applied');
    expect(await host.enforced()).toEqual([]);
    expect(await offer({ ...parcel, generation: 12, policies: { block } })).toBe(
      'document-rollback',
    );
  });

  it('RECOVERY: a new root document takes the stolen key away, and what it signs no more counts', async () => {
    const fresh = generateSigningKey();
    const stolen = await control.deliver(enrolled, {
      generation: 2_000_000,
      policies: { block },
      labels: prod,
    });
    // The thief first runs ahead of every honest generation.
    expect(await host.offer(stolen)).toBe('applied');
    expect(await offer({ generation: 12, policies: { block }, labels: prod })).toBe('stale-order');
    const recovered = control.recovered({ mode: 'authored', epoch: '2' }, fresh);
    const next = await recovered.deliver(enrolled, {
      generation: 13,
      policies: { block },
      labels: prod,
    });
    expect(await host.offer(next)).toBe('applied');
    expect(await host.offer(stolen)).toBe('root-rollback');
    const again = await control.deliver(enrolled, {
      generation: 3_000_000,
      policies: { block },
      labels: prod,
    });
    expect(await host.offer(again)).toBe('root-rollback');
    expect(await host.enforced()).toEqual(['block enforce']);
  });
});
