import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSealingKey } from '#bundle';
import { redisKeys, type DeliveryRecord, type NodeReport } from '#contracts';
import { Log } from '#observability';
import { fingerprint } from '#pki';
import { connectRedis, DeliveryWriter, type RedisConnection } from '#redis';
import type { Sensor, SensorEvent } from '#sensor';
import { LinkProxy, startRedis, type RedisServer } from '#testing';
import { Agent } from './agent.js';
import { AgentConfig } from '../config/agent-config.js';
import type { EnrolledHost } from '../enrollment/enrolled-host.js';
import { hostFiles } from '../config/host-files.js';
import { Courier } from '../delivery/courier.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { RedisSecret } from '../enrollment/redis-secret.js';
import { TrustedAuthorities } from '../trust/trusted-authorities.js';
import { Spool } from '../events/spool.js';
import { Clock } from '../health/clock.js';
import { Context } from '../health/context.js';
import { ReportPace } from '../health/report-pace.js';
import { FleetDouble, HealthDouble } from '../testing/fleet-double.js';
import { ScriptedSensor } from '../testing/scripted-sensor.js';

const NODE_ID = 'ab'.repeat(32);

const SPEED = 100;
const UNTIL_MS = 180_000;

/** Time that passes a hundred times as fast: what happens at intervals happens within the test, in the same order. */
class FastClock extends Clock {
  /** Waits of more than this never end; `endless` are those that began, by their length. */
  longestMs = Infinity;
  readonly endless = new Set<number>();
  /** Where it is set the wall clock stands still there: nothing is due by it. */
  stoodAt: number | undefined;
  readonly #start = Date.now();
  now(): number {
    return this.stoodAt ?? this.#start + (Date.now() - this.#start) * SPEED;
  }
  elapsed(): number {
    return performance.now() * SPEED;
  }
  random(): number {
    return 0.5;
  }
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const isEndless = ms > this.longestMs;
      if (isEndless) this.endless.add(ms);
      const timer = isEndless ? undefined : setTimeout(resolve, Math.ceil(ms / SPEED));
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}

async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + UNTIL_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not within ${UNTIL_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let stateDir: string;
let health: HealthDouble;
let redis: RedisServer;
let link: LinkProxy;
let control: RedisConnection;
let fleet: FleetDouble;
let sensor: ScriptedSensor;
let agent: Agent;
let clock: FastClock;
let around: Context;
let lines: string[];

const sealing = generateSealingKey();

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'hostward-agent-'));
  health = await HealthDouble.start();
  redis = await startRedis({ tls: health.tls });
  link = await LinkProxy.start(redis.port);
  control = connectRedis({ port: redis.port, tls: health.tls });
  fleet = new FleetDouble(control, NODE_ID, sealing.sealingKey);
  sensor = new ScriptedSensor();
  lines = [];
  agent = await startAgent();
});

afterEach(async () => {
  await agent.stop();
  control.close();
  await link.stop();
  await redis.stop();
  await health.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

/** `own` undefined: the sensor that the configuration names. */
function startAgent(
  own: Sensor | undefined = sensor,
  enforcer: AgentConfig['enforcer'] = 'auto',
): Promise<Agent> {
  const config = new AgentConfig();
  config.controlPlane = {
    url: `https://127.0.0.1:${health.port}`,
    caFingerprint: fingerprint(health.tls.ca),
  };
  config.stateDir = stateDir;
  config.enforcer = enforcer;
  const files = hostFiles(stateDir);
  const host: EnrolledHost = {
    stateDir,
    controlPlane: config.controlPlane.url,
    configured: config.controlPlane,
    files,
    redisSecret: new RedisSecret(files, 'none is asked for here'),
    name: 'web1',
    trust: { nodeId: NODE_ID, sealingPrivateKey: sealing.privateKey, root: fleet.root.signed },
    authorities: new TrustedAuthorities(files, health.tls.ca),
    redis: {
      ...{ port: link.port, tls: health.tls, maxBackoffMs: 100 },
      ...{ commandTimeoutMs: 1_000, answerTimeoutMs: 300_000 },
    },
  };
  clock = new FastClock();
  around = new Context(clock, new Log({ level: 'debug', write: (line) => lines.push(line) }));
  return Agent.start({ config, host, around, sensor: enforcer === 'observe' ? undefined : own });
}

const reported = (what: string, test: (report: NodeReport) => boolean): Promise<NodeReport> =>
  until(what, async () => {
    const report = await fleet.report();
    return report !== undefined && test(report) && report;
  });

const counts = (): Courier['counts'] => agent.get(Courier).counts;

/** The fleet has so many hosts that this one checks every minute and a half: no such wait ends. */
async function becomesLarge(): Promise<void> {
  clock.longestMs = 80_000;
  await until('checks a minute and a half apart', async () => {
    await fleet.orderPace(60_000, clock.now());
    return clock.endless.has(90_000);
  });
}

function denial(seq: number): SensorEvent {
  return {
    seq,
    time: Date.now(),
    type: 'denied',
    profile: 'hostward',
    operation: 'exec',
    name: `/usr/bin/p${seq}`,
    exe: `/bin/e${seq}`,
  };
}

describe('an assignment', () => {
  it('goes from a nudge to the sensor, is confirmed over new connections, and is reported', async () => {
    await fleet.deliver('5');
    const report = await reported('generation 5', ({ applied }) => applied?.generation === '5');
    expect(report).toMatchObject({
      nodeId: NODE_ID,
      enforcer: 'apparmor',
      versions: { sensor: '0.1.0-scripted' },
    });
    await until('a confirmation', () => sensor.confirmed.length > 0);
    expect(sensor.confirmed[0]).toMatchObject({ generation: '5' });
    expect(health.answered).toBeGreaterThan(0);
  });

  it('comes with the nudge itself where it is small', async () => {
    const { record, digest, bundle } = await fleet.assign('6');
    await control.run('test', (client) => client.set(redisKeys.bundle(digest), bundle));
    const nudge = {
      pattern: redisKeys.nudge(NODE_ID),
      data: { assignmentVersion: record.assignmentVersion, record },
    };
    await control.run('test', (client) =>
      client.publish(redisKeys.nudge(NODE_ID), JSON.stringify(nudge)),
    );
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
  });

  /** Nudges with a bundle beside the record. */
  const nudgeWith = (record: DeliveryRecord, bundle: string) => {
    const data = { assignmentVersion: record.assignmentVersion, record, bundle };
    const nudge = JSON.stringify({ pattern: redisKeys.nudge(NODE_ID), data });
    return control.run('test', (client) => client.publish(redisKeys.nudge(NODE_ID), nudge));
  };

  it('is taken from the nudge alone where its bundle came with it', async () => {
    const { record, bundle } = await fleet.assign('6');
    await nudgeWith(record, Buffer.from(bundle).toString('base64'));
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
  });

  it.each([
    ['another one', () => Buffer.from('x'.repeat(200)).toString('base64')],
    ['none', () => '%'],
  ])(
    'is fetched where what came with the nudge is not its bundle but %s',
    async (_what, beside) => {
      const { record, digest, bundle } = await fleet.assign('6');
      await control.run('test', (client) => client.set(redisKeys.bundle(digest), bundle));
      await nudgeWith(record, beside());
      await reported('generation 6', ({ applied }) => applied?.generation === '6');
    },
  );

  it('that Redis did not hand out is asked for again within seconds, however rare checks are in a large fleet', async () => {
    await fleet.deliver('5');
    await until('a confirmation', () => sensor.confirmed.length > 0);
    await becomesLarge();
    const { record, digest, bundle } = await fleet.assign('6');
    const data = { assignmentVersion: record.assignmentVersion, record };
    const nudge = JSON.stringify({ pattern: redisKeys.nudge(NODE_ID), data });
    await control.run('test', async (client) => {
      await client.set(redisKeys.assignment(NODE_ID), JSON.stringify(record));
      await client.set(redisKeys.bundle(digest), bundle);
      await client.acl('SETUSER', 'default', '-get');
      await client.publish(redisKeys.nudge(NODE_ID), nudge);
    });
    await until('the condition', () => around.conditions.has('redis'));
    await control.run('test', (client) => client.acl('SETUSER', 'default', '+get'));
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
  });

  it('brings the next root document of the same epoch: the agent believes what its keys sign', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    fleet.rotateOnlineKey();
    await fleet.deliver('6');
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
    expect(agent.get(ChannelKeys).root.version).toBe(2);
    await fleet.orderPace(60_000, clock.now());
    await until('the pace', () => agent.get(ReportPace).everyMs === 60_000);
  });

  it('that was written while the link was cut is found when it is back, without a nudge', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    link.cut();
    await until('the condition', () => around.conditions.has('redis'));
    await fleet.deliver('6');
    expect(sensor.state.assignmentVersion?.generation).toBe('5');
    link.restore();
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
    await until('no condition', () => !around.conditions.has('redis'));
  });

  it('that has expired by a clock far ahead proves its key once the clock is right', async () => {
    clock.stoodAt = clock.now() + 3 * 86_400_000;
    await fleet.deliver('5');
    await until('it is taken', () => sensor.state.assignmentVersion?.generation === '5');
    await until('a look', () => lines.some((line) => line.includes('no channel key')));
    clock.stoodAt = undefined;
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
  });

  it('that is older or the same is not handed over again', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    const old = await fleet.assign('4');
    await control.run('test', (client) =>
      client.set(redisKeys.assignment(NODE_ID), JSON.stringify(old.record)),
    );
    await until('an older record', () => counts().older > 1);
    expect(sensor.envelopes).toHaveLength(1);
  });

  it('that is refused is reported and not tried again at each check; a good one after it is taken at once', async () => {
    sensor.refusal = 'bad-signature';
    await fleet.deliver('5');
    await until('a refusal', () => counts().refused > 0);
    await fleet.deliver('6');
    const report = await reported('the rejection', ({ rejected }) => rejected?.generation === '6');
    expect(report.rejected?.code).toBe('bad-signature');
    const before = { ...counts() };
    await until('further checks', () => counts().checks >= before.checks + 20);
    // The pauses grow; how many fall into twenty checks depends on how long a check takes.
    expect(counts().refused - before.refused).toBeLessThan(10);
    sensor.refusal = undefined;
    await fleet.deliver('7');
    const good = await reported('generation 7', ({ applied }) => applied?.generation === '7');
    expect(good.rejected).toBeUndefined();
  });

  it('whose bundle is missing waits for it and says so', async () => {
    const { record, digest, bundle } = await fleet.assign('5');
    await control.run('test', (client) =>
      client.set(redisKeys.assignment(NODE_ID), JSON.stringify(record)),
    );
    await until('the condition', () => around.conditions.has('delivery'));
    expect(sensor.envelopes).toHaveLength(0);
    await control.run('test', (client) => client.set(redisKeys.bundle(digest), bundle));
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    await until('no condition', () => !around.conditions.has('delivery'));
  });

  it.each([
    ['text that is not JSON', 'garbage {'],
    ['null', 'null'],
    [
      'another shape',
      '{"v":1,"assignmentVersion":{"epoch":"1","generation":"99999999999999999999999","issuedAt":1}}',
    ],
    ['two megabytes', `"${'x'.repeat(2 * 1024 * 1024)}"`],
  ])(
    'that is hostile (%s) reaches no sensor, is counted, and does not stop the next',
    async (_what, value) => {
      await fleet.deliver('5');
      await reported('generation 5', ({ applied }) => applied?.generation === '5');
      await control.run('test', (client) => client.set(redisKeys.assignment(NODE_ID), value));
      await control.run('test', (client) =>
        client.publish(redisKeys.nudge(NODE_ID), value.slice(0, 1000)),
      );
      await until('a count', () => counts().malformed > 0);
      expect(sensor.envelopes).toHaveLength(1);
      await control.run('test', (client) => client.del(redisKeys.assignment(NODE_ID)));
      await fleet.deliver('6');
      await reported('generation 6', ({ applied }) => applied?.generation === '6');
    },
  );

  it('that nobody signed chooses no key: reports go on under the proved one', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    const mallory = new FleetDouble(control, NODE_ID, sealing.sealingKey);
    sensor.refusal = 'bad-signature';
    await mallory.deliver('6');
    const report = await reported(
      'the rejection, under the old key',
      ({ rejected }) => rejected !== undefined,
    );
    expect(report.applied?.generation).toBe('5');
    expect(await mallory.report().catch(() => 'sealed')).toBe('sealed');
  });

  it('is not confirmed while the control plane is away, and is when it is back', async () => {
    health.status = 503;
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    await until('the condition', () => around.conditions.has('control-plane'));
    expect(sensor.confirmed).toEqual([]);
    health.status = 200;
    await until('a confirmation', () => sensor.confirmed.length > 0);
    await until('no condition', () => !around.conditions.has('control-plane'));
  });
});

describe('a confirmation in a large fleet, in which checks are rarer than the sensor is patient', () => {
  beforeEach(async () => {
    await fleet.deliver('5');
    await until('a confirmation', () => sensor.confirmed.length > 0);
    await becomesLarge();
  });

  it('of a swap that the sensor made by itself comes without a check', async () => {
    sensor.state = { ...sensor.state, confirm: { state: 'waiting', since: 2 } };
    await until('a second one', () => sensor.confirmed.length === 2);
  });

  it('that failed is tried again without a check', async () => {
    health.status = 503;
    // Where it is known to be away a connection that is only made is not believed.
    around.conditions.raise('control-plane', 'it did not answer');
    await fleet.deliver('6');
    await until('a failure', () => lines.some((line) => line.includes('not confirmed yet')));
    health.status = 200;
    await until('a second one', () => sensor.confirmed.at(-1)?.generation === '6');
  });
});

describe('an agent that has ended', () => {
  it('writes nothing more, although what is wrong is told to the one that is started in its place', async () => {
    const file = hostFiles(stateDir).health;
    const written = () => existsSync(file);
    await until('the first list', written);
    await agent.stop();
    rmSync(file);
    around.conditions.raise('clock', 'it is set back');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written()).toBe(false);
  });
});

describe('the connection to Redis', () => {
  it('is one, for nudges, reports and alerts, also after a cut', async () => {
    const connections = async () => {
      const list = await control.run('test', (client) => client.client('LIST'));
      // Ours is the other one.
      return String(list).trim().split('\n').length - 1;
    };
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    await until('a confirmation', () => sensor.confirmed.length > 0);
    await until('one connection', async () => (await connections()) === 1);
    link.cut();
    link.restore();
    await fleet.deliver('6');
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
    sensor.happen(denial(1));
    await until('one alert', async () => (await fleet.storeEvents(), fleet.seen.size === 1));
    await until('one connection again', async () => (await connections()) === 1);
  });

  it('does not keep the agent from stopping while a large bundle comes slowly', async () => {
    const { record, digest } = await fleet.assign('5');
    const large = Buffer.alloc(16 * 1024 * 1024);
    await control.run('test', (client) => client.set(redisKeys.bundle(digest), large));
    link.throttle(256 * 1024);
    const { checks } = counts();
    await new DeliveryWriter(control).writeMany([{ nodeId: NODE_ID, record }]);
    await until('a check', () => counts().checks > checks);
    // Past the time for which a connection may be silent.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(around.conditions.has('redis')).toBe(false);
    const began = performance.now();
    await agent.stop();
    expect(performance.now() - began).toBeLessThan(9_000);
    link.restore();
    agent = await startAgent();
  });
});

describe('without its sensor', () => {
  it('the agent says so, claims nothing new, and hands over when it is back', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    sensor.goAway();
    await until('the condition', () => around.conditions.has('sensor'));
    const after = (report: NodeReport | undefined): Promise<NodeReport> =>
      reported('a later report', ({ sequence }) => sequence > (report?.sequence ?? 0));
    // The last one may be older than what the sensor said last.
    const before = await after(await fleet.report());
    await fleet.deliver('6');
    const later = await after(before);
    expect(later.asOf).toBe(before.asOf);
    sensor.back();
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
    expect(JSON.parse(readFileSync(hostFiles(stateDir).health, 'utf8'))).toHaveProperty(
      'conditions',
    );
  });

  it('the agent hands over what came meanwhile when it is back, however rare checks are in a large fleet', async () => {
    await fleet.deliver('5');
    await until('a confirmation', () => sensor.confirmed.length > 0);
    await becomesLarge();
    sensor.goAway();
    await until('the condition', () => around.conditions.has('sensor'));
    const { checks } = counts();
    await fleet.deliver('6');
    await until('a check by the nudge', () => counts().checks > checks);
    sensor.back();
    await reported('generation 6', ({ applied }) => applied?.generation === '6');
  });
});

describe('the pace of reports', () => {
  it('is the control plane’s where the kernel is seen, and no slower than ever where it is not', async () => {
    sensor.nowMs = () => around.clock.now();
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    const at = around.clock.now();
    const paced = (what: string, test: (report: NodeReport) => boolean) =>
      until(what, async () => {
        await fleet.orderPace(60_000, at);
        const report = await fleet.report();
        return report !== undefined && test(report) && report;
      });
    const slow = await paced('the pace', ({ nextWithinMs }) => nextWithinMs === 60_000);
    // News does not wait: it comes at the next look.
    await fleet.deliver('6');
    await paced('generation 6', ({ applied }) => applied?.generation === '6');
    sensor.goAway();
    await paced('no promise', ({ nextWithinMs }) => nextWithinMs === undefined);
    sensor.back();
    const again = await paced('the pace again', ({ nextWithinMs }) => nextWithinMs === 60_000);
    expect(again.sequence).toBeGreaterThan(slow.sequence);
  });

  it('is kept when a swap is confirmed, of which no report tells', async () => {
    sensor.nowMs = () => around.clock.now();
    await fleet.deliver('5');
    const at = around.clock.now();
    await until('the pace', async () => {
      await fleet.orderPace(60_000, at);
      return (await fleet.report())?.nextWithinMs === 60_000;
    });
    clock.stoodAt = clock.now();
    const given = async (generation: string) => {
      await fleet.deliver(generation);
      const isThere = ({ applied }: NodeReport): boolean => applied?.generation === generation;
      const report = await reported(`generation ${generation}`, isThere);
      await until('it is confirmed', () => sensor.confirmed.at(-1)?.generation === generation);
      return report.sequence;
    };
    const before = await given('6');
    expect(await given('7')).toBe(before + 1);
  });
});

describe('alerts', () => {
  it('come sealed through the stream and leave the spool only at the cursor', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    sensor.happen(denial(1), denial(2));
    await until('two alerts', async () => (await fleet.storeEvents(false), fleet.seen.size === 2));
    expect(agent.get(Spool).status().waiting).toBe(2);
    await until(
      'an empty spool',
      async () => (await fleet.storeEvents(), agent.get(Spool).status().waiting === 0),
    );
    expect([...fleet.seen.values()].map((alert) => alert.Resource)).toEqual([
      '/usr/bin/p1',
      '/usr/bin/p2',
    ]);
  });

  it.each([
    ['with the link cut', true],
    ['unnoticed', false],
  ])(
    'survive FLUSHALL in the middle, %s: none is lost, and each is stored once',
    async (_how, cut) => {
      await fleet.deliver('5');
      await reported('generation 5', ({ applied }) => applied?.generation === '5');
      sensor.happen(...Array.from({ length: 300 }, (_, i) => denial(i + 1)));
      await until(
        'everything sent',
        async () =>
          (await control.run('test', (client) => client.xlen(redisKeys.events(NODE_ID)))) > 0,
      );
      await control.run('test', (client) => client.flushall());
      if (cut) link.cut();
      sensor.happen(...Array.from({ length: 300 }, (_, i) => denial(i + 301)));
      await until('the spool has all', () => agent.get(Spool).status().waiting >= 600);
      link.restore();
      await until('600 alerts', async () => (await fleet.storeEvents(), fleet.seen.size === 600));
      await until(
        'an empty spool',
        async () => (await fleet.storeEvents(), agent.get(Spool).status().waiting === 0),
      );
      expect(agent.get(Spool).status().lost).toBe(0);
    },
  );

  it('survive a restart of the agent, and no forged cursor drops them', async () => {
    await fleet.deliver('5');
    await reported('generation 5', ({ applied }) => applied?.generation === '5');
    sensor.happen(denial(1));
    await until('one alert', async () => (await fleet.storeEvents(false), fleet.seen.size === 1));
    await control.run('test', (client) => client.set(redisKeys.cursor(NODE_ID), 'x'.repeat(200)));
    await agent.stop();
    await control.run('test', (client) => client.flushall());
    fleet.seen.clear();
    agent = await startAgent();
    // Not acknowledged before it is there: the cursor would say that it was stored, and it was.
    await until(
      'the alert again',
      async () => (await fleet.storeEvents(false), fleet.seen.size === 1),
    );
    sensor.happen(denial(2));
    await until(
      'the next one, the first not twice',
      async () => (await fleet.storeEvents(), fleet.seen.size === 2),
    );
  });
});

describe('a host that observes', () => {
  it('takes what is signed, enforces nothing, and says so of each rule', async () => {
    await agent.stop();
    agent = await startAgent(undefined, 'observe');
    const content = {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorHostPolicy',
      metadata: { name: 'block-sleep' },
      spec: {
        nodeSelector: { matchLabels: { env: 'prod' } },
        severity: 5,
        process: { matchPaths: [{ path: '/usr/bin/sleep' }] },
        action: 'Block',
      },
    };
    await fleet.deliver('5', { 'block-sleep': content });
    const report = await reported('generation 5', ({ applied }) => applied?.generation === '5');
    expect(report.enforcer).toBe('observe');
    expect(report.coverage).toBeUndefined();
    expect(report.policies).toEqual([
      {
        policy: 'block-sleep',
        revision: '7',
        rules: [
          { id: 'process/matchPaths/0', state: 'unsupported', reason: 'this host observes only' },
        ],
      },
    ]);
    const mallory = new FleetDouble(control, NODE_ID, sealing.sealingKey);
    await mallory.deliver('9');
    const refused = await reported('the rejection', ({ rejected }) => rejected !== undefined);
    expect(refused).toMatchObject({ applied: { generation: '5' } });
  });
});
