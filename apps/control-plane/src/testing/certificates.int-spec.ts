import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Rig, blockPolicy } from './rig.js';
import { eventually } from './eventually.js';

/** Certificates are dated back by five minutes: of these some 75 seconds are left. */
const ENDING_SOON = ['--leaf-hours', String((5 * 60 + 75) / 3_600)];

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.prepare(ENDING_SOON);
  await rig.startControlPlane();
  await rig.ready();
});
afterAll(() => rig.stop());

/** The certificate that a server shows in a new handshake. */
function shown(port: number): Promise<string> {
  const files = port === rig.etcd.port ? rig.files.etcd : rig.files.redis;
  const [ca, cert, key] = [files.ca, files.cert, files.key].map((path) => readFileSync(path));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, cert, key });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

/** The leaf comes first in its file. */
const leaf = (path: string): X509Certificate => new X509Certificate(readFileSync(path));
const leafOf = (path: string): string => leaf(path).fingerprint256;

describe('a product whose certificates end while it runs', () => {
  it('takes new ones in, keeps what is connected, and goes on after the old ones have ended', async () => {
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('first', '/usr/bin/nc', { env: 'prod' }));
    await host.receives('first');
    const { etcd, redis } = rig.files;
    const before = leaf(etcd.cert);
    const connection = rig.connectionOf(host);
    await eventually('connected', () => connection.connected);
    await rig.initAgain();
    expect(leafOf(etcd.cert)).not.toBe(before.fingerprint256);
    const https = Number(new URL(rig.rest.url).port);
    await eventually(
      'Redis shows the new one',
      async () => (await shown(rig.redis.port)) === leafOf(redis.cert),
    );
    await eventually(
      'etcd shows the new one',
      async () => (await shown(rig.etcd.port)) === leafOf(etcd.cert),
    );
    await eventually(
      'the control plane shows the new one',
      async () => (await shown(https)) === leafOf(controlPlaneCertificate()),
    );
    await eventually(
      'the old ones have ended',
      () => Date.now() > before.validToDate.getTime(),
      240_000,
    );
    expect(connection.counters).toMatchObject({ connects: 1, disconnects: 0 });
    for (const link of [rig.etcdLink, rig.redisLink]) {
      link.cut();
      link.restore();
    }
    // The control plane may be ready still, or again.
    await eventually('a policy is taken', async () => {
      const second = blockPolicy('second', '/usr/bin/nmap', { env: 'prod' });
      return (await rig.rest.post('/v1/apply', second)).status === 200;
    });
    await host.receives('first', 'second');
    await host.report();
    await eventually('enforced', async () => {
      return (await rig.rest.get('/v1/policies/second/status')).body['enforcedEverywhere'];
    });
  });
});

function controlPlaneCertificate(): string {
  return rig.files.etcd.cert.replace(/etcd\.pem$/, 'control-plane.pem');
}
