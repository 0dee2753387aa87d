import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DiagnosisView } from '#contracts';
import type { PostgresServer } from '#testing';
import type { StoreConfig } from '../config/store.js';
import type { Check } from '../health/readiness.js';
import { eventually } from './eventually.js';
import { ReplicaPair } from './replica-pair.js';
import type { ReplicaProcess } from './replica-process.js';
import type { Rest } from './rest.js';
import { Rig, blockPolicy } from './rig.js';

let rig: Rig;
let postgres: PostgresServer;
let other: Rest;
beforeAll(async () => {
  rig = await Rig.prepare();
  postgres = await rig.usePostgres();
  await rig.startControlPlane();
  await rig.ready();
  other = await rig.startReplica();
  await ready(other);
});
afterAll(() => rig.stop());

const ready = (rest: Rest) =>
  eventually('ready', async () => {
    const answer = await rest.get('/readyz').catch(() => undefined);
    return answer?.status === 200;
  });
/** Waits until a control plane, which stays ready, says this of its store and of all that are apart from it. */
const says = (rest: Rest, words: RegExp) =>
  eventually(`${words}`, async () => {
    const { status, body } = await rest.get('/readyz');
    const checks = body['checks'] as unknown as readonly Check[];
    const { ok, detail = '' } = checks.find(({ name }) => name === 'store') ?? {};
    return status === 200 && words.test(`${ok} ${detail}`);
  });
const WELL = /^true /;
const apart = (own: string, ...others: readonly string[]): RegExp => {
  const each = others.map((words) => ` [0-9a-f]{16} has ${words}`);
  return new RegExp(`^false this control plane has ${own},${each.join()}: each answers`);
};
const logged = (words: RegExp) => rig.lines.filter((line) => words.test(line));

/** While a third control plane, whose store is there, is beside the two. */
async function besideOneIn(
  store: StoreConfig,
  work: (third: ReplicaProcess) => Promise<void>,
): Promise<void> {
  const usual = rig.store;
  rig.store = store;
  const third = await rig.startProcess().finally(() => (rig.store = usual));
  await work(third).finally(() => third.kill());
}

describe('control planes on one etcd', () => {
  it('of which two have one PostgreSQL and a third has files, tell of the third until it has died', async () => {
    await besideOneIn({}, async (third) => {
      // Both have known each other for longer than the third: what they do not say of each other now, they do not say.
      for (const rest of [rig.rest, other]) await says(rest, apart('a database', 'files'));
      await says(rig.restOf(third.url), apart('files', 'a database', 'a database'));
      const { findings } = (await rig.rest.get('/v1/diagnosis')).body as unknown as DiagnosisView;
      expect(findings.find(({ check }) => check === 'store')).toMatchObject({
        verdict: 'failed',
        remedy: expect.stringContaining('store.postgresql'),
      });
      const error =
        /"error".*control planes have stores apart.*"field":"store.postgresql","value":".+","remedy":"set /;
      expect(logged(error).length).toBeGreaterThanOrEqual(2);
      const policy = blockPolicy('nc', '/usr/bin/nc', { env: 'prod' });
      await eventually('a policy is taken', async () => {
        return (await other.post('/v1/apply', policy)).status === 200;
      });
    });
    for (const rest of [rig.rest, other]) await says(rest, WELL);
    expect(
      logged(/all control planes that are there have one store/).length,
    ).toBeGreaterThanOrEqual(2);
  });

  it('tell of one that has another database, until it has left', async () => {
    postgres.sql('CREATE DATABASE other OWNER hostward', 'postgres');
    const { postgresql } = rig.store;
    const elsewhere = { postgresql: postgresql && { ...postgresql, database: 'other' } };
    await besideOneIn(elsewhere, async (third) => {
      const another = 'another database';
      for (const rest of [rig.rest, other]) await says(rest, apart('a database', another));
      await says(rig.restOf(third.url), apart('a database', another, another));
      await third.stop();
      for (const rest of [rig.rest, other]) await says(rest, WELL);
    });
  });

  it('that have files of their own each tell of each other, until one is alone', async () => {
    const pair = await ReplicaPair.start();
    try {
      for (const rest of pair.rests) await says(rest, apart('files', 'files'));
      await pair.process(1).stop();
      await says(pair.rest(0), WELL);
    } finally {
      await pair.rig.stop();
    }
  });
});
