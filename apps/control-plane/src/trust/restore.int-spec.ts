import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  followRoots,
  generateSigningKey,
  inspectRoot,
  loadSigner,
  signRoot,
  trustRoot,
  type Signer,
} from '#bundle';
import { eventually } from '../testing/eventually.js';
import { Rig, blockPolicy } from '../testing/rig.js';
import type { TestHost } from '../testing/test-host.js';

jest.setTimeout(240_000);

/** Enough revisions that a control plane that starts does not make up for them by its own writes. */
const LOST = Array.from({ length: 20 }, (_, index) => `lost-${index}`);

let rig: Rig;
let host: TestHost;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-restore-'));
  rig = await Rig.start();
  host = await rig.host('web1', { env: 'prod' });
  await apply('before');
  await host.receives('before');
  snapshot();
});
afterEach(async () => {
  await rig.stop();
  rmSync(folder, { recursive: true });
});

async function apply(name: string, path = '/bin/true', env = 'prod'): Promise<void> {
  const answer = await rig.rest.post('/v1/apply', blockPolicy(name, path, { env }));
  expect(answer.status).toBe(200);
}

/** At which revision of etcd a policy was written last. */
async function revisionOf(name: string): Promise<number> {
  const { body } = await rig.rest.get(`/v1/policies/${name}`);
  return Number(body['revision']);
}

/** Changes that the snapshot does not have. */
async function change(): Promise<void> {
  for (const name of LOST) await apply(name);
  await host.receives('before', ...LOST);
}

/** What an operator's backup does. */
function snapshot(): void {
  const { ca, cert, key } = rig.files.etcd;
  const endpoint = `--endpoints=https://127.0.0.1:${rig.etcd.port}`;
  const tls = [`--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
  execFileSync('etcdctl', [endpoint, ...tls, 'snapshot', 'save', join(folder, 'db')], {
    stdio: 'ignore',
  });
}

async function restore(...flags: string[]): Promise<void> {
  await rig.etcd.halt();
  rig.etcd.restore(join(folder, 'db'), flags);
  await rig.etcd.restart();
}

interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly { name: string; ok: boolean; detail: string }[];
}

const readiness = async () => JSON.parse((await rig.rest.get('/readyz')).text) as Readiness;
const restoreCheck = async () => (await readiness()).checks.find(({ name }) => name === 'restore');

const alarmed = () =>
  eventually('the alarm is raised', async () => (await restoreCheck())?.ok === false);

const rootKey = (): Signer =>
  loadSigner(readFileSync(join(dirname(rig.files.configFile), 'keys/root.key'), 'utf8').trim());

async function newEpoch(by: Signer, epoch = '2') {
  const { body } = await rig.rest.get('/v1/roots');
  const { document } = inspectRoot((body['roots'] as unknown as unknown[]).at(-1));
  return rig.rest.post(
    '/v1/roots',
    signRoot({ ...document, version: document.version + 1, epoch }, [by]),
  );
}

describe('after a plain restore of etcd', () => {
  it('nothing is published until a signed new epoch, which hosts follow; an unsigned one is refused', async () => {
    await change();
    await restore();
    await alarmed();
    expect((await restoreCheck())?.detail).toMatch(/etcd was restored.*hostward recover/s);
    expect((await rig.rest.get('/metrics')).text).toContain('hostward_restore_alarm 1');
    expect((await rig.rest.get('/v1/policies/before/status')).text).toContain('hostward recover');
    expect(rig.lines.join('')).toContain('etcd was restored');
    await apply('after');
    const kept = await host.fetch();
    expect(kept?.policies.map(({ name }) => name)).toContain('lost-19');

    expect((await newEpoch(loadSigner(generateSigningKey().privateKey))).status).toBe(422);
    expect((await restoreCheck())?.ok).toBe(false);

    expect((await newEpoch(rootKey())).status).toBe(200);
    const delivery = await host.receives('after', 'before');
    expect(delivery.assignment.epoch).toBe('2');
    expect(BigInt(delivery.assignment.generation)).toBeLessThan(
      BigInt(kept?.assignment.generation ?? 0),
    );
    await rig.ready();
  });

  it('hosts get what was written since, also at a revision at which the same rule set was another', async () => {
    for (const name of LOST) await apply('before', `/usr/bin/${name}`);
    const mistaken = await revisionOf('before');
    await eventually('the host has it', async () => {
      const delivery = await host.fetch();
      return JSON.stringify(delivery?.policies).includes('/usr/bin/lost-19');
    });
    await restore();
    await alarmed();
    let others = 0;
    do await apply('elsewhere', `/usr/bin/${(others += 1)}`, 'test');
    while ((await revisionOf('elsewhere')) < mistaken - 1);
    await apply('before', '/usr/bin/corrected');
    expect(await revisionOf('before')).toBe(mistaken);
    await host.report();
    const { text } = await rig.rest.get('/v1/policies/before/nodes');
    expect([text.includes('web1'), text.includes('"enforced"')]).toEqual([true, false]);
    expect((await newEpoch(rootKey())).status).toBe(200);
    await eventually(
      'the host has the new epoch',
      async () => (await host.fetch())?.assignment.epoch === '2',
    );
    const { policies } = await host.receives('before');
    expect(JSON.stringify(policies)).toContain('/usr/bin/corrected');
  });

  it('it is noticed too by a control plane that starts only then, and by what hosts report', async () => {
    await change();
    await rig.stopControlPlane();
    await restore();
    await rig.startControlPlane();
    await alarmed();
    await rig.stopControlPlane();
    rmSync(join(dirname(rig.files.configFile), 'published.json'), { force: true });
    await rig.startControlPlane();
    await eventually('the alarm is raised by a host that goes on reporting', async () => {
      await host.report();
      return (await restoreCheck())?.ok === false;
    });
    expect((await restoreCheck())?.detail).toContain('host web1');
  });
});

it('hosts that know a later root document are led on by the next but one', async () => {
  const roots = async () =>
    (await rig.rest.get('/v1/roots')).body['roots'] as unknown as readonly unknown[];
  expect((await newEpoch(rootKey())).status).toBe(200);
  const trusted = followRoots(trustRoot((await roots())[0]), await roots());
  await rig.stopControlPlane();
  rmSync(join(dirname(rig.files.configFile), 'keys/roots.json'));
  await restore('--bump-revision=1000000', '--mark-compacted');
  await rig.startControlPlane();
  const follow = async () => followRoots(trusted, await roots()).document;
  await expect(follow()).rejects.toMatchObject({ code: 'root-rollback' });
  expect((await newEpoch(rootKey(), '3')).status).toBe(200);
  await expect(follow()).rejects.toMatchObject({ code: 'root-mismatch' });
  expect((await newEpoch(rootKey(), '4')).status).toBe(200);
  expect(await follow()).toMatchObject({ version: 3, epoch: '4' });
});

describe('after a restore whose revisions go on', () => {
  it('publishing goes on by itself, and hosts follow', async () => {
    await change();
    await restore('--bump-revision=1000000', '--mark-compacted');
    await rig.ready();
    await apply('after');
    const delivery = await host.receives('after', 'before');
    expect(delivery.assignment.epoch).toBe('1');
    expect((await restoreCheck())?.ok).toBe(true);
  });
});
