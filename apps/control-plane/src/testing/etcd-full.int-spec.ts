import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import type { DiagnosisView } from '#contracts';
import { EtcdOutOfSpace } from '#etcd';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';

const QUOTA_BYTES = 16 * 1024 * 1024;
const labels = { env: 'prod' };

let rig: Rig;
afterEach(() => rig.stop());

describe('when etcd has reached its space quota', () => {
  it('refuses writes, says why and what to do, and goes on when that was done', async () => {
    rig = await Rig.prepare([], undefined, [`--quota-backend-bytes=${QUOTA_BYTES}`]);
    await rig.startControlPlane();
    await rig.ready();
    const host = await rig.host('web1', labels);
    await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', labels));
    await host.receives('one');
    await expect(fill()).rejects.toThrow(EtcdOutOfSpace);

    const refused = await rig.rest.post('/v1/apply', blockPolicy('two', '/usr/bin/nmap', labels));
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ detail: expect.stringMatching(/space quota.*doctor/) });
    expect((await rig.rest.get('/v1/policies/one')).status).toBe(200);
    await eventually('not ready', async () => {
      const { status, text } = await rig.rest.get('/readyz');
      return status === 503 && /"etcd-writes","ok":false.*NOSPACE/.test(text);
    });

    for (const command of await remedy()) execFileSync('etcdctl', [...login(), ...command]);
    await rig.ready();
    const applied = await rig.rest.post('/v1/apply', blockPolicy('two', '/usr/bin/nmap', labels));
    expect(applied.status).toBe(200);
    await host.receives('one', 'two');
  });
});

/** One key, written over and over: what fills etcd is what it keeps of old revisions. */
async function fill(): Promise<void> {
  const store = rig.openEtcd();
  try {
    for (let i = 0; i < 40; i += 1)
      await store.transact({
        then: [{ type: 'put', key: '/elsewhere', value: 'v'.repeat(1_000_000) }],
      });
  } finally {
    store.close();
  }
}

/** The commands that `doctor` tells, word by word. */
async function remedy(): Promise<readonly string[][]> {
  const { body } = await rig.rest.get('/v1/diagnosis');
  const { findings } = body as unknown as DiagnosisView;
  const text = findings.find(({ check }) => check === 'etcd-alarm')?.remedy ?? '';
  return [...text.matchAll(/`etcdctl ([^`]+)`/g)].map(([, words = '']) => words.split(' '));
}

function login(): readonly string[] {
  const { ca, cert, key } = rig.files.etcd;
  return [`--endpoints=${rig.etcd.url}`, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
}
