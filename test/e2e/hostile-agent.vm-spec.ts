import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeView } from '#contracts';
import type { Vm } from '#testing';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { RedisValues } from './support/redis-values.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

/** Sends one APPLY frame as the agent's user and prints type and text of the answer; `garbage` sends the bytes bare. */
const SENDER = `
import socket, struct, sys
mode, data = sys.argv[1], sys.stdin.buffer.read()
s = socket.socket(socket.AF_UNIX)
s.settimeout(90)
s.connect('/run/hostward/sensor.sock')
if mode == 'garbage':
    s.sendall(data)
else:
    payload = struct.pack('<HHI', 3, 0, len(data)) + data
    s.sendall(struct.pack('<IHHII', 0x31445748, 1, 3, len(payload), 7) + payload)
try:
    head = s.recv(16)
    print(struct.unpack('<IHHII', head)[2] if len(head) == 16 else 'closed')
    print(s.recv(65536)[:2000].decode('utf8', 'replace'))
except Exception as e:
    print('closed', e)
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
    await web1.writeFile('/opt/send.py', SENDER);
    await fleet.product.apply(blockProgram('first', '/usr/bin/nice', PROD), '--wait');
    old = await redis.envelope(nodeIds['own'] ?? '');
    await fleet.product.apply(blockProgram('second', '/usr/bin/sleep', PROD), '--wait');
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
  const sendAndExpectNothing = async (mode: string, bytes: Buffer): Promise<string> => {
    const before = await profiles();
    expect(before).not.toBe('');
    const { stdout } = await web1.ssh(`runuser -u hostward -- python3 /opt/send.py ${mode}`, {
      input: bytes,
      timeoutMs: 2 * MINUTES,
      allowFailure: true,
    });
    expect(await profiles()).toBe(before);
    await expectBlocked(web1, 'sleep 0.01');
    await expectBlocked(web1, 'nice true');
    await expectAllowed(web1, 'systemctl is-active hostward-sensor');
    return stdout;
  };

  it(
    'sends an old envelope that was genuine once: refused as stale',
    async () => {
      expect(await sendAndExpectNothing('apply', old)).toMatch(/stale/);
    },
    4 * MINUTES,
  );

  it(
    'sends the envelope of another host: refused',
    async () => {
      await sendAndExpectNothing('apply', await redis.envelope(nodeIds['foreign'] ?? ''));
    },
    4 * MINUTES,
  );

  it(
    'sends a genuine envelope with a changed byte: refused',
    async () => {
      const changed = Buffer.from(await redis.envelope(nodeIds['own'] ?? ''));
      const at = changed.indexOf('"leaf"') + 40;
      changed[at] = changed[at] === 65 ? 66 : 65;
      await sendAndExpectNothing('apply', changed);
    },
    4 * MINUTES,
  );

  it(
    'sends a cut envelope: refused',
    async () => {
      await sendAndExpectNothing('apply', old.subarray(0, old.length / 2));
    },
    4 * MINUTES,
  );

  it(
    'sends an invented envelope: refused',
    async () => {
      await sendAndExpectNothing(
        'apply',
        Buffer.from('{"v":1,"record":{"ordering":{"epoch":"999"}},"bundle":""}'),
      );
    },
    4 * MINUTES,
  );

  it(
    'sends garbage instead of frames: the connection is closed, the sensor goes on',
    async () => {
      await sendAndExpectNothing('garbage', Buffer.from('\u0000\u0001garbage'.repeat(500)));
    },
    4 * MINUTES,
  );

  it(
    'another user cannot even connect',
    async () => {
      await expectBlocked(
        web1,
        'echo x | runuser -u nobody -- python3 /opt/send.py garbage 2>&1 || (echo Permission denied; false)',
      );
    },
    MINUTES,
  );

  it(
    'the honest agent is back and the status is true',
    async () => {
      await web1.ssh('systemctl start hostward-agent');
      await fleet.product.must(
        ['status', 'policy', 'second', '--wait', '--timeout', '90s'],
        2 * MINUTES,
      );
    },
    4 * MINUTES,
  );
});
