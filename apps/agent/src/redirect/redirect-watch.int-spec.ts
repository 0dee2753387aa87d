import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSealingKey, verifyRedirect } from '#bundle';
import { Log } from '#observability';
import { connectRedis, HostLink, type RedisConnection } from '#redis';
import { startRedis, type RedisServer } from '#testing';
import type { EnrolledHost } from '../enrollment/enrolled-host.js';
import { hostFiles } from '../config/host-files.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { RedisSecret } from '../enrollment/redis-secret.js';
import { TrustedAuthorities } from '../trust/trusted-authorities.js';
import { SystemClock } from '../health/clock.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { ControlPlaneReachability } from '../health/reachability.js';
import { Context } from '../health/context.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { FleetDouble, HealthDouble } from '../testing/fleet-double.js';
import { ScriptedSensor } from '../testing/scripted-sensor.js';
import { readPlacement, writePlacement, type Placement } from '../enrollment/placement.js';
import { RedirectWatch } from './redirect-watch.js';

const NODE_ID = 'ab'.repeat(32);
const MINUTE = 60_000;
const sealing = generateSealingKey();

class SetClock extends SystemClock {
  laterMs = 0;
  override now(): number {
    return super.now() + this.laterMs;
  }
  override random(): number {
    return 0;
  }
}

let stateDir: string;
let health: HealthDouble;
let redis: RedisServer;
let connection: RedisConnection;
let fleet: FleetDouble;
let clock: SetClock;
let watch: RedirectWatch;
let moved: number;
const file = (): string => hostFiles(stateDir).placement;
const offer = { redirect: { still: 'to be followed' }, roots: [] };

/** A host that has just gone to another control plane, which answers and whose Redis is there. */
beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'hostward-trial-'));
  for (const folder of ['place-4', 'place-5'])
    mkdirSync(join(stateDir, 'agent', folder), { recursive: true });
  health = await HealthDouble.start();
  redis = await startRedis({ tls: health.tls });
  connection = connectRedis({ port: redis.port, tls: health.tls });
  fleet = new FleetDouble(connection, NODE_ID, sealing.sealingKey);
  clock = new SetClock();
  moved = 0;
  const url = `https://127.0.0.1:${health.port}`;
  const place = { url, caFingerprint: 'bb'.repeat(32), folder: 'place-5' };
  const configured = { url: 'https://before.example', caFingerprint: 'aa'.repeat(32) };
  const placement: Placement = {
    v: 1,
    configured,
    newest: { issuedAt: 5, digest: 'dd'.repeat(32) },
    offer,
    current: { ...configured, url: 'https://between.example', folder: 'place-4' },
    trial: { ...place, since: clock.now() },
  };
  await writePlacement(file(), placement);
  watch = await watchOf({ configured, place, placement }, url);
});
afterEach(async () => {
  connection.close();
  await redis.stop();
  await health.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

async function watchOf(
  where: Pick<EnrolledHost, 'configured' | 'place' | 'placement'>,
  controlPlane: string,
): Promise<RedirectWatch> {
  const files = hostFiles(stateDir, 'place-5');
  const to = { port: redis.port, tls: health.tls };
  const host: EnrolledHost = {
    ...{ ...where, stateDir, controlPlane, files, name: 'web1', redis: to },
    redisSecret: new RedisSecret(files, 'none is asked for here'),
    trust: { nodeId: NODE_ID, sealingPrivateKey: sealing.privateKey, root: fleet.root.signed },
    authorities: new TrustedAuthorities(files, health.tls.ca),
  };
  const around = new Context(clock, new Log({ write: () => undefined }));
  const client = new ControlPlaneClient({
    ...{ url: controlPlane, ca: () => health.tls.ca, timeoutMs: MINUTE },
  });
  const reach = new ControlPlaneReachability(client, to, { everyMs: 60_000 }, around);
  const keys = await ChannelKeys.open(files.channelKey, host.trust, around);
  const sensors = new SensorWatch(new ScriptedSensor(), around);
  const link = new HostLink(connection, NODE_ID, connection);
  const pace = { askEveryMs: 10 * MINUTE };
  const made = new RedirectWatch(host, { client, reach, link, keys, sensors, pace }, around);
  made.onMoved(() => (moved += 1));
  return made;
}

const goesBack = async (): Promise<void> => {
  const placement = await readPlacement(file());
  expect([moved, placement?.trial, placement?.current?.folder]).toEqual([1, undefined, 'place-4']);
  expect(placement).toMatchObject({ offer, failure: { code: 'not-confirmed', attempts: 1 } });
};

describe('a control plane on trial', () => {
  it('is confirmed by an assignment that verifies, and what was before is forgotten', async () => {
    await watch.attempt();
    expect((await readPlacement(file()))?.trial).toBeDefined();
    await fleet.deliver('5');
    await watch.attempt();
    const placement = await readPlacement(file());
    expect(placement).toMatchObject({ current: { folder: 'place-5' } });
    expect([placement?.trial, placement?.offer, moved]).toEqual([undefined, undefined, 0]);
    expect(existsSync(join(stateDir, 'agent/place-4'))).toBe(false);
    expect(watch.report).toMatchObject({ state: 'followed', issuedAt: 5 });
  });

  it('that delivers nothing is left after five minutes and not before, and is still to be gone to', async () => {
    clock.laterMs = 4 * MINUTE;
    await watch.attempt();
    expect([moved, (await readPlacement(file()))?.failure]).toEqual([0, undefined]);
    clock.laterMs = 6 * MINUTE;
    await watch.attempt();
    await goesBack();
  });

  it('whose assignments nobody of the fleet signed is left', async () => {
    await new FleetDouble(connection, NODE_ID, sealing.sealingKey).deliver('5');
    clock.laterMs = 6 * MINUTE;
    await watch.attempt();
    await goesBack();
  });

  it('that does not answer any more is left, although its Redis has an assignment', async () => {
    await fleet.deliver('5');
    health.status = 503;
    clock.laterMs = 6 * MINUTE;
    await watch.attempt();
    await goesBack();
  });

  it('that failed before is tried again later each time, and is no failure while it is tried', async () => {
    const failed = { issuedAt: 5, to: 'https://x', code: 'not-confirmed', message: 'x', at: 1 };
    const placement = { ...((await readPlacement(file())) as Placement) };
    const { configured, trial } = placement;
    const tried = { ...placement, failure: { ...failed, attempts: 2 } };
    const again = await watchOf({ configured, place: trial, placement: tried }, trial?.url ?? '');
    expect(again.report).toBeUndefined();
    clock.laterMs = 6 * MINUTE;
    await again.attempt();
    expect((await readPlacement(file()))?.failure?.attempts).toBe(3);
  });

  it('is left once only: the agent that is about to end does nothing more', async () => {
    clock.laterMs = 6 * MINUTE;
    await watch.attempt();
    await fleet.deliver('5');
    await watch.attempt();
    await goesBack();
  });
});

describe('an order', () => {
  it('for other hosts is asked for twice, and not at each of its hints, which come for days', async () => {
    health.answer = { roots: [fleet.root.signed] };
    rmSync(file());
    const configured = { url: 'https://before.example', caFingerprint: 'aa'.repeat(32) };
    const other = await watchOf(
      { configured, place: undefined, placement: undefined },
      `https://127.0.0.1:${health.port}`,
    );
    for (let hints = 0; hints < 6; hints += 1) await other.hinted('ee'.repeat(32));
    expect(health.answered).toBe(2);
    await other.hinted('ff'.repeat(32));
    expect(health.answered).toBe(3);
  });

  it('that a host refused because its clock was behind is taken at the next hint when the clock is right', async () => {
    const to = { url: `https://127.0.0.1:${health.port}`, caFingerprint: 'bb'.repeat(32) };
    const redirect = fleet.orderRedirect(to);
    const { digest } = verifyRedirect(redirect, fleet.root);
    health.answer = { redirect, roots: [fleet.root.signed] };
    rmSync(file());
    const configured = { url: 'https://before.example', caFingerprint: 'aa'.repeat(32) };
    const asked = { configured, place: undefined, placement: undefined };
    const behind = await watchOf(asked, to.url);
    clock.laterMs = -10 * MINUTE;
    await behind.attempt();
    expect(behind.report).toMatchObject({ state: 'redirect-failed', code: 'not-yet-valid' });
    clock.laterMs = 0;
    await behind.hinted(digest);
    expect((await readPlacement(file()))?.newest.digest).toBe(digest);
    expect(behind.report).toMatchObject({ code: 'ca-not-pinned' });
  });
});
