import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import { Rig } from './rig.js';
import type { TestHost } from './test-host.js';

let rig: Rig;
let host: TestHost;
beforeAll(async () => {
  rig = await Rig.start();
  host = await rig.host('web1');
});
afterAll(() => rig.stop());

/** What the host is answered over a connection of its own, whether it went on with this session, and the newest one. */
async function asked(url: string, session?: Buffer) {
  const ca = readFileSync(rig.files.caFile, 'utf8');
  const options = { ca, ...host.tlsIdentity, agent: false, ...(session && { session }) };
  const outgoing = request(`${url}/v1/redirects/offered`, options);
  let next = session;
  outgoing.once('socket', (socket) => socket.on('session', (ticket: Buffer) => (next = ticket)));
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const resumed = (outgoing.socket as TLSSocket).isSessionReused();
  await once(answer.resume(), 'end');
  return { status: answer.statusCode, resumed, session: next };
}

it('a host goes on with its TLS session at another replica and after a restart, and is judged there as before', async () => {
  const other = await rig.startReplica();
  await eventually('it is ready', async () => (await other.get('/readyz')).status === 200);
  const first = await asked(rig.rest.url);
  expect([first.status, first.resumed]).toEqual([200, false]);
  const second = await asked(other.url, first.session);
  expect([second.status, second.resumed]).toEqual([200, true]);
  await rig.stopControlPlane();
  await rig.startControlPlane();
  await rig.ready();
  const third = await asked(rig.rest.url, second.session);
  expect([third.status, third.resumed]).toEqual([200, true]);
  await rig.rest.post('/v1/nodes/web1/revoke', { reason: 'stolen' });
  const last = await asked(rig.rest.url, third.session);
  expect([last.status, last.resumed]).toEqual([403, true]);
});
