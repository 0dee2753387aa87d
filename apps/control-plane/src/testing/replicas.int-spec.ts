import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Rig, blockPolicy } from './rig.js';
import type { Rest } from './rest.js';
import type { TestHost } from './test-host.js';
import { eventually } from './eventually.js';

const LABELS = { env: 'prod' };

let rig: Rig;
let other: Rest;
let hosts: readonly TestHost[];
beforeAll(async () => {
  rig = await Rig.start();
  other = await rig.startReplica();
  await eventually('the replica is ready', async () => (await other.get('/readyz')).status === 200);
  hosts = await Promise.all(['a1', 'a2', 'a3'].map((name) => rig.host(name, LABELS)));
});
afterAll(() => rig.stop());

const policy = (name: string, path = `/usr/bin/${name}`): string => blockPolicy(name, path, LABELS);
const assignmentVersions = () =>
  Promise.all(hosts.map(async ({ link }) => (await link.fetchRecord())?.assignmentVersion));
const everywhere = (rest: Rest, name: string) =>
  eventually(`${name} is enforced everywhere`, async () => {
    for (const host of hosts) await host.takesAndReports();
    return (await rest.get(`/v1/policies/${name}/status`)).body['enforcedEverywhere'];
  });
/** Who is told that nothing is written now asks again, as the CLI's user does. */
const isTaken = (rest: Rest, name: string) =>
  eventually(`${name} is taken`, async () => {
    const { status, text } = await rest.post('/v1/apply', policy(name));
    if (status !== 503) expect([status, text]).toEqual([200, expect.any(String)]);
    return status === 200;
  });
const waiting = async (rest: Rest): Promise<string> => (await rest.get('/readyz')).text;

describe('two control planes on one etcd and Redis', () => {
  it('both serve, and say the same of what either was told', async () => {
    await rig.rest.post('/v1/apply', policy('nc'));
    await other.post('/v1/apply', policy('nmap'));
    for (const host of hosts) await host.receives('nc', 'nmap');
    for (const rest of [rig.rest, other]) {
      await everywhere(rest, 'nc');
      await everywhere(rest, 'nmap');
    }
  });

  it('leave what the other has written as it is', async () => {
    const before = await assignmentVersions();
    await eventually('nothing waits', async () => {
      const texts = await Promise.all([waiting(rig.rest), waiting(other)]);
      return texts.every((text) => text.includes('"0 hosts wait'));
    });
    const looks = Array.from({ length: 20 }, () => assignmentVersions());
    for (const look of await Promise.all(looks)) expect(look).toEqual(before);
    expect(
      rig.lines.filter((line) => line.includes('renders the same documents otherwise')),
    ).toEqual([]);
  });

  it('lose no change while both are told many at once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `many-${index}`);
    await Promise.all(names.map((name, index) => isTaken(index % 2 ? rig.rest : other, name)));
    await Promise.all(hosts.map((host) => host.receives('nc', 'nmap', ...names)));
    for (const name of names) await everywhere(other, name);
    await everywhere(rig.rest, 'many-11');
  });

  it('deliver what one of them was told as it died', async () => {
    const dying = rig.rest.post('/v1/apply', policy('last')).catch(() => undefined);
    rig.etcdLink.cutAfterBytes(2_000);
    rig.redisLink.cut();
    await dying;
    await other.post('/v1/apply', policy('after'));
    // It has seen all that was written before `after` now.
    const stored = await other.get('/v1/policies/last');
    const names = Array.from({ length: 12 }, (_, index) => `many-${index}`);
    const there = ['nc', 'nmap', ...names, 'after', ...(stored.status === 200 ? ['last'] : [])];
    await Promise.all(hosts.map((host) => host.receives(...there)));
    await rig.stopControlPlane();
    await everywhere(other, 'after');
    await other.delete('/v1/policies/nc');
    await Promise.all(hosts.map((host) => host.receives(...there.filter((name) => name !== 'nc'))));
  });
});
