import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

/** Answers any connection on the sensor's socket with a frame of another protocol version. */
const OTHER_VERSION = `
import os, socket, struct
path = '/run/hostward/sensor.sock'
if os.path.exists(path):
    os.unlink(path)
s = socket.socket(socket.AF_UNIX)
s.bind(path)
os.chmod(path, 0o666)
s.listen(8)
while True:
    c, _ = s.accept()
    head = c.recv(16)
    request = struct.unpack('<IHHII', head)[4] if len(head) == 16 else 0
    c.sendall(struct.pack('<IHHII', 0x31445748, 99, 2, 0, request))
    c.close()
`;

/** Faults of a host: each is said clearly, opens nothing, and heals by itself when its cause is gone. */
describe('faults of a real host', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD), '--wait');
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const healed = (policy: string): Promise<unknown> =>
    fleet.product.must(['status', 'policy', policy, '--wait', '--timeout', '300s'], 6 * MINUTES);

  /** Break-glass, ordered by the fleet's operator, and its end. */
  async function comesAndGoes(): Promise<void> {
    const order = ['breakglass', '--node', 'web1', '--mode', 'off', '--for', '30m'];
    const { stdout } = await fleet.product.must([...order, '--reason', 'nothing can be changed']);
    await eventually('sleep is free', 2 * MINUTES, () => isAllowed(web1, 'sleep 0.01'));
    await fleet.product.must(['breakglass', '--end', /suspension\/(\S+):/.exec(stdout)?.[1] ?? '']);
    await eventually('sleep is blocked again', 2 * MINUTES, () => isBlocked(web1, 'sleep 0.01'));
  }

  /** The next boot is the fourth in a row that was not healthy; what is on the disk is written over. */
  async function guardsAgainstBootLoops(): Promise<void> {
    const boots = '/var/lib/hostward/sensor/boots';
    await web1.ssh(`printf 'another-boot 3\\n' | dd of=${boots} conv=notrunc status=none; sync`);
    await web1.reboot();
    await eventually('audited', 2 * MINUTES, async () =>
      /boot guard|boots in a row/.test((await web1.ssh('hostward-sensor status')).stdout),
    );
    expect(await isAllowed(web1, 'sleep 0.01')).toBe(true);
    await web1.ssh('hostward-sensor resume');
    await expectBlocked(web1, 'sleep 0.01');
  }

  it(
    'what the parser cannot compile: break-glass comes and goes with the rules that are there',
    async () => {
      const parser = '/usr/sbin/apparmor_parser';
      await web1.ssh(`mv ${parser} ${parser}.away && ln -s /bin/false ${parser}`);
      try {
        await expectBlocked(web1, 'sleep 0.01');
        await comesAndGoes();
        const { stdout } = await fleet.product.cli(['status', 'node', 'web1']);
        expect(stdout).toContain('parser-failed');
      } finally {
        await web1.ssh(`mv ${parser}.away ${parser}`);
      }
      await healed('no-sleep');
    },
    10 * MINUTES,
  );

  it(
    'a compiler that cannot start, which fails its socket: said, and healed without a hand when it can',
    async () => {
      const drop = (unit: string): string => `/run/systemd/system/${unit}.d/broken.conf`;
      const [service, socket] = ['hostward-compiler.service', 'hostward-compiler.socket'];
      await web1.writeFile(drop(service), '[Service]\nExecStart=\nExecStart=/bin/false\n');
      // As systemd before 255, which knows no other limit; in an emulated machine nothing starts 20 times in 2 s.
      const limits = 'PollLimitIntervalSec=0\nTriggerLimitIntervalSec=60\nTriggerLimitBurst=3';
      await web1.writeFile(drop(socket), `[Socket]\n${limits}\n`);
      await web1.ssh(`systemctl daemon-reload; systemctl stop ${socket} ${service}`);
      try {
        await fleet.product.apply(blockProgram('no-nohup', '/usr/bin/nohup', PROD));
        await eventually('the socket has failed', MINUTES, async () => {
          const { stdout } = await web1.ssh(`journalctl -b --no-pager -u ${socket}`);
          return stdout.includes("Failed with result 'trigger-limit-hit'");
        });
        await expectBlocked(web1, 'sleep 0.01');
      } finally {
        await web1.ssh(`rm ${drop(service)} ${drop(socket)}; systemctl daemon-reload`);
      }
      await healed('no-nohup');
      await expectBlocked(web1, 'nohup true');
    },
    10 * MINUTES,
  );

  it(
    'a full disk: the new rule set is not said to be enforced, the old one stays, break-glass comes and goes, and room heals it',
    async () => {
      await web1.ssh(
        'dd if=/dev/zero of=/fill bs=1M 2>/dev/null; dd if=/dev/zero of=/fill2 bs=512 2>/dev/null; sync; true',
        {
          timeoutMs: 4 * MINUTES,
        },
      );
      await fleet.product.apply(blockProgram('no-nice', '/usr/bin/nice', PROD));
      await eventually('the full disk is told', MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['status', 'node', 'web1']);
        return /snapshot-failed|space|ENOSPC/i.test(stdout);
      });
      expect((await fleet.product.cli(['status', 'policy', 'no-nice'])).code).toBe(1);
      await expectBlocked(web1, 'sleep 0.01');
      await comesAndGoes();
      await guardsAgainstBootLoops();
      await web1.ssh('rm -f /fill /fill2');
      await healed('no-nice');
      await expectBlocked(web1, 'nice true');
    },
    10 * MINUTES,
  );

  it(
    'a missing sensor: enforcement stays, the status decays and says why, and the sensor’s return heals it',
    async () => {
      await web1.ssh(
        'mv /usr/lib/hostward/hostward-sensor /usr/lib/hostward/away && systemctl kill -s KILL hostward-sensor',
      );
      try {
        await expectBlocked(web1, 'sleep 0.01');
        await eventually(
          'no longer said to be enforced',
          2 * MINUTES,
          async () => (await fleet.product.cli(['status', 'policy', 'no-sleep'])).code === 1,
        );
        await expectBlocked(web1, 'sleep 0.01');
      } finally {
        await web1.ssh(
          'mv /usr/lib/hostward/away /usr/lib/hostward/hostward-sensor && systemctl restart hostward-sensor',
        );
      }
      await healed('no-sleep');
    },
    6 * MINUTES,
  );

  it(
    'a sensor of another version: nothing is sent to it, and the journal says which version was met',
    async () => {
      await web1.writeFile('/opt/other.py', OTHER_VERSION);
      await web1.ssh(
        'systemctl stop hostward-sensor && systemd-run --unit=other-sensor python3 /opt/other.py',
      );
      await web1.ssh('systemctl restart hostward-agent');
      await eventually('the agent names the version', 2 * MINUTES, () =>
        isAllowed(web1, 'journalctl -u hostward-agent --since -3min | grep -qi version'),
      );
      await expectBlocked(web1, 'sleep 0.01');
      await web1.ssh(
        'systemctl stop other-sensor; systemctl start hostward-sensor && systemctl restart hostward-agent',
      );
      await healed('no-sleep');
    },
    8 * MINUTES,
  );

  it(
    'a clock two days off: enforcement stays, and the right time heals the link',
    async () => {
      await web1.ssh('date -s "+2 days" >/dev/null && systemctl restart hostward-agent');
      await eventually(
        'no longer said to be enforced',
        2 * MINUTES,
        async () => (await fleet.product.cli(['status', 'policy', 'no-sleep'])).code === 1,
      );
      await eventually('the agent says what is wrong', 2 * MINUTES, () =>
        isAllowed(
          web1,
          'journalctl -u hostward-agent -o cat | grep -qiE "clock|expired|certificate"',
        ),
      );
      await expectBlocked(web1, 'sleep 0.01');
      await web1.ssh('date -s "-2 days" >/dev/null && systemctl restart hostward-agent');
      await healed('no-sleep');
      expect(await isBlocked(web1, 'sleep 0.01')).toBe(true);
    },
    8 * MINUTES,
  );
});
