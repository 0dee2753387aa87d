import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeView } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { RedisValues } from './support/redis-values.js';
import { ANSWER, askSensor, installSensorClient } from './support/sensor-socket.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

/** An ERROR frame whose code holds this word. */
const refusal = (word: string): RegExp => new RegExp(`^${ANSWER.error}\n[^]*${word}`);

const DENIED_FOR_40_SECONDS = `
import os, time
end = time.time() + 40
while time.time() < end:
    try:
        os.posix_spawn("/usr/bin/sleep", ["sleep", "0"], {})
    except PermissionError:
        pass
    time.sleep(0.5)
`;

/** Suite g: an agent that was taken over can withhold; nothing that it invents, repeats or cuts reaches the kernel. */
describe('a hostile agent on a real host', () => {
  let fleet: Fleet;
  let web1: Vm;
  let redis: RedisValues;
  let nodeIds: Record<string, string>;
  let old: Buffer;

  beforeAll(async () => {
    fleet = await Fleet.start({ localAgent: true });
    web1 = await fleet.host('web1', 'env=prod');
    redis = await RedisValues.of(fleet.product);
    const nodes = JSON.parse(
      (await fleet.product.must(['get', 'nodes', '-o', 'json'])).stdout,
    ) as NodeView[];
    nodeIds = Object.fromEntries(
      nodes.map((node) => [node.name === 'web1' ? 'own' : 'foreign', node.nodeId ?? '']),
    );
    await installSensorClient(web1);
    await fleet.product.apply(
      blockProgram('first', '/usr/bin/nice', PROD),
      '--wait',
      '--timeout',
      '110s',
    );
    old = await redis.envelope(nodeIds['own'] ?? '');
    await fleet.product.apply(
      blockProgram('second', '/usr/bin/sleep', PROD),
      '--wait',
      '--timeout',
      '110s',
    );
    await eventually('it is confirmed', MINUTES, async () =>
      (await web1.ssh('hostward-sensor status --json')).stdout.includes('"state":"confirmed"'),
    );
    await web1.ssh('systemctl stop hostward-agent');
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const profiles = async (): Promise<string> =>
    (
      await web1.ssh(
        'cd /sys/kernel/security/apparmor/policy/profiles && sha256sum hostward*/sha* hostward*/mode 2>/dev/null',
      )
    ).stdout;

  /** Sends bytes as the agent's user; the kernel's profiles are the same before and after, and both rules hold. */
  const sendAndExpectNothing = async (
    mode: 'apply' | 'garbage' | 'suspend',
    bytes: Buffer = Buffer.alloc(0),
  ): Promise<string> => {
    const before = await profiles();
    expect(before).not.toBe('');
    const stdout = await askSensor(web1, 'hostward', mode, bytes);
    expect(await profiles()).toBe(before);
    await expectBlocked(web1, 'sleep 0.01');
    await expectBlocked(web1, 'nice true');
    await expectAllowed(web1, 'systemctl is-active hostward-sensor');
    return stdout;
  };

  it(
    'sends an old envelope that was genuine once: refused as stale',
    async () => {
      expect(await sendAndExpectNothing('apply', old)).toMatch(refusal('stale'));
    },
    4 * MINUTES,
  );

  it(
    'sends the envelope of another host: refused',
    async () => {
      const foreign = await redis.envelope(nodeIds['foreign'] ?? '');
      expect(await sendAndExpectNothing('apply', foreign)).toMatch(refusal(''));
    },
    4 * MINUTES,
  );

  it(
    'sends a genuine envelope with a changed byte: refused',
    async () => {
      const changed = Buffer.from(await redis.envelope(nodeIds['own'] ?? ''));
      const at = changed.indexOf('"leaf"') + 40;
      changed[at] = changed[at] === 65 ? 66 : 65;
      expect(await sendAndExpectNothing('apply', changed)).toMatch(refusal(''));
    },
    4 * MINUTES,
  );

  it(
    'sends a cut envelope: refused',
    async () => {
      const cut = old.subarray(0, old.length / 2);
      expect(await sendAndExpectNothing('apply', cut)).toMatch(refusal(''));
    },
    4 * MINUTES,
  );

  it(
    'sends an invented envelope: refused',
    async () => {
      const invented = Buffer.from(
        '{"v":1,"record":{"assignmentVersion":{"epoch":"999"}},"bundle":""}',
      );
      expect(await sendAndExpectNothing('apply', invented)).toMatch(refusal(''));
    },
    4 * MINUTES,
  );

  it(
    'sends garbage instead of frames: the connection is closed, the sensor goes on',
    async () => {
      const garbage = Buffer.from('\u0000\u0001garbage'.repeat(500));
      expect(await sendAndExpectNothing('garbage', garbage)).toMatch(/^closed/);
    },
    4 * MINUTES,
  );

  it(
    'orders a suspension: refused',
    async () => {
      expect(await sendAndExpectNothing('suspend')).toMatch(refusal('not-permitted'));
    },
    2 * MINUTES,
  );

  it(
    'lets itself be denied and confirms nothing, again and again: what was confirmed is not taken back',
    async () => {
      const before = await profiles();
      // Longer than the deadline for a confirmation, which only a swap opens.
      await web1.ssh(`runuser -u hostward -- python3 -c '${DENIED_FOR_40_SECONDS}'`, {
        timeoutMs: 2 * MINUTES,
      });
      expect(await profiles()).toBe(before);
      await expectBlocked(web1, 'sleep 0.01');
      await expectBlocked(web1, 'nice true');
    },
    3 * MINUTES,
  );

  it(
    'another user cannot even connect',
    async () => {
      expect(await askSensor(web1, 'nobody', 'garbage', 'x')).toMatch(
        /^refused .*Permission denied/,
      );
    },
    MINUTES,
  );

  it(
    'the honest agent is back and the status is true',
    async () => {
      await web1.ssh('systemctl start hostward-agent');
      await fleet.product.must(
        ['status', 'policy', 'second', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
    },
    4 * MINUTES,
  );
});
