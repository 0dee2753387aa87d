import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { earlyProbe, installEarlyProbe } from './support/early-probe.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';

const MINUTES = 60_000;
const ENFORCED = ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'];
const PROD = { env: 'prod' };

/** The battery of the clock is empty: the chip says 1970, and so does the system before anything of ours runs. */
const CLOCK_OF_1970 = `import fcntl, struct
RTC_SET_TIME = 0x4024700A
with open('/dev/rtc0') as rtc:
    fcntl.ioctl(rtc, RTC_SET_TIME, struct.pack('9i', 0, 1, 0, 1, 0, 70, 0, 0, 0))
`;
/** systemd sets a clock that is older than itself to the day of its own build. */
const BACK_TO_1970 = '[Service]\nExecStartPre=+/usr/bin/date -s @60\n';

interface SensorState {
  readonly mode: string;
  readonly stale: boolean;
  readonly asOf: number;
  readonly expiresAt: number;
  readonly highest: { readonly issuedAt: number };
  readonly suspension?: object;
}

/** Time is the latest of the clock, the last signed time and the build: a host that boots in 1970 enforces first. */
describe('a host whose clock says 1970', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await fleet.product.apply(blockProgram('no-sleep', '/usr/bin/sleep', PROD));
    await fleet.product.must(ENFORCED, 4 * MINUTES);
    await installEarlyProbe(web1);
    await web1.writeFile('/etc/systemd/system/hostward-early.service.d/10-1970.conf', BACK_TO_1970);
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const bootIn1970 = async (): Promise<void> => {
    await web1.ssh('python3 -', { input: CLOCK_OF_1970 });
    await web1.reboot();
    await eventually('the early unit has begun', MINUTES, async () => (await clock()) < 86_400);
  };
  const clock = async (): Promise<number> => Number((await web1.ssh('date +%s')).stdout);
  const sensor = async (): Promise<SensorState> =>
    JSON.parse((await web1.ssh('hostward-sensor status --json')).stdout) as SensorState;
  const setClock = (): Promise<unknown> => web1.ssh(`date -s @${Math.floor(Date.now() / 1000)}`);

  it(
    'enforces before its network is up, and goes on',
    async () => {
      await bootIn1970();
      expect(await earlyProbe(web1)).toMatch(/^126\n[\s\S]*Permission denied/);
      await eventually('the rule set was compiled anew', 2 * MINUTES, async () => {
        const { stdout } = await web1.ssh('journalctl -b -u hostward-sensor.service -o cat');
        return /compiled anew reason=at start/.test(stdout);
      });
      await expectBlocked(web1, 'sleep 0.01');
      expect(await clock()).toBeLessThan(86_400);
    },
    8 * MINUTES,
  );

  it('is not stale by the last signed time, and says what time it takes it to be', async () => {
    const state = await eventually('the sensor answers', MINUTES, sensor);
    expect(state).toMatchObject({ mode: 'enforce', stale: false });
    expect(state.asOf).toBeLessThan(86_400_000);
    expect(state.highest.issuedAt).toBeGreaterThan(Date.parse('2026-01-01'));
    expect(state.expiresAt).toBeGreaterThan(state.highest.issuedAt);
  });

  it(
    'is unknown to operators and names its clock, as no certificate is valid in 1970',
    async () => {
      const { stdout } = await eventually('the status decayed', 2 * MINUTES, async () => {
        const result = await fleet.product.cli(['status', 'policy', 'no-sleep']);
        return /unknown/.test(result.stdout) && result;
      });
      expect(stdout).toMatch(/web1 .*unknown/);
      const health = await eventually('the agent names the clock', 2 * MINUTES, async () => {
        const found = await web1.ssh('cat /var/lib/hostward/agent/health.json');
        return /"name": "clock"/.test(found.stdout) && found.stdout;
      });
      expect(health).toMatch(
        /clock says 1970-01-01T.*, before what was signed at 2\d{3}-.*timedatectl/,
      );
      await expectBlocked(web1, 'sleep 0.01');
    },
    5 * MINUTES,
  );

  it(
    'reports again by itself when its clock is set',
    async () => {
      await setClock();
      await fleet.product.must(ENFORCED, 4 * MINUTES);
    },
    5 * MINUTES,
  );

  it(
    'ends break-glass by the time since its boot, though its clock stands far behind the end',
    async () => {
      const brake = ['--node', 'web1', '--mode', 'audit', '--for', '90s', '--reason', 'test'];
      await fleet.product.must(['breakglass', ...brake]);
      await eventually('sleep is free', MINUTES, () => isAllowed(web1, 'sleep 0.01'));
      await web1.cutLink();
      await bootIn1970();
      await eventually('blocked again', 5 * MINUTES, () => isBlocked(web1, 'sleep 0.01'));
      const state = await sensor();
      expect(state).toMatchObject({ mode: 'enforce' });
      expect(state.suspension).toBeUndefined();
      expect(state.asOf).toBeLessThan(86_400_000);
    },
    12 * MINUTES,
  );
});
