import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { RawClient } from './fixtures/sensor-host.js';
import { envelope, eventOf, host, sensor, useSensorHost } from './fixtures/sensor-under-test.js';
import { MSG, numberField, TAG, textField } from './protocol.js';

useSensorHost();

describe('suspension', () => {
  it('ends by itself and is recorded', async () => {
    await host.start();
    const { profiles } = await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'audit', '--for', '1s', '--reason', 'a test');
    const suspended = await eventOf('suspended', 1);
    expect(suspended.info).toMatch(/^audit until [\dT:-]+Z by console: a test$/);
    const resumed = await eventOf('resumed', suspended.seq);
    expect(resumed.time - suspended.time).toBeGreaterThanOrEqual(900);
    expect(await sensor.status()).toMatchObject({ mode: 'enforce', profiles });
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('holds over a restart and a boot, and can be ended at the console', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'off', '--for', '5m', '--reason', 'a test');
    expect((await host.kernel())['hostward']).toContain('open-5');
    await host.stop('SIGKILL');
    await host.forgetKernel();
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('open-5');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      mode: 'off',
      suspension: { by: 'console', reason: 'a test' },
    });
    await host.verb('resume');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('ordered by a signed assignment holds as long as the assignment says', async () => {
    await host.start();
    const suspend = { mode: 'audit', until: Date.now() + 60_000, reason: 'fleet' };
    expect(await sensor.apply(envelope({ generation: 5, suspend }))).toMatchObject({
      mode: 'audit',
      suspension: { by: 'control-plane', reason: 'fleet' },
    });
    expect((await host.kernel())['hostward']).toContain('audit-5');
    const state = await sensor.apply(envelope({ generation: 6 }));
    expect(state).toMatchObject({ mode: 'enforce' });
    expect(state).not.toHaveProperty('suspension');
  });

  it('without an end, or with one too far away, is refused', async () => {
    await host.start();
    const suspend = (until: number) => [
      textField(TAG.MODE, 'off'),
      numberField(TAG.UNTIL, until),
      textField(TAG.REASON, 'x'),
    ];
    const client = await RawClient.connect(host.socket);
    const past = await client.ask(MSG.SUSPEND, suspend(Date.now() - 1));
    expect(past.fields.text(TAG.CODE)).toBe('bad-end');
    const far = await client.ask(MSG.SUSPEND, suspend(Date.now() + 8 * 24 * 3_600_000));
    expect(far.fields.text(TAG.CODE)).toBe('bad-end');
    client.destroy();
  });

  it('by unload opens everything until resume', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('unload');
    expect((await host.kernel())['hostward']).toContain('open-5');
    expect(await sensor.status()).toMatchObject({ mode: 'off' });
    await host.verb('resume');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('is not said to be done where the kernel refused it, and resume tries again what it refused', async () => {
    const refuse = join(host.dir, 'security/apparmor/refuse');
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await writeFile(refuse, '');
    const refused = { code: 1, stderr: expect.stringContaining('refused: the kernel refused') };
    await expect(host.verb('unload')).rejects.toMatchObject(refused);
    expect((await host.kernel())['hostward']).toContain('enforce-5');
    await expect(host.verb('resume')).rejects.toMatchObject(refused);
    await expect(host.verb('resume')).rejects.toMatchObject(refused);
    await rm(refuse);
    await host.verb('resume');
    expect(await sensor.status()).toMatchObject({ mode: 'enforce', outcome: { ok: true } });
  });

  it('is said to be over where it is, though a drop-in cannot be written, which is told', async () => {
    const units = join(host.dir, 'units');
    await host.start();
    const dropIns = { 'telnet.service': '[Service]\nAppArmorProfile=hostward-blocked\n' };
    await sensor.apply(envelope({ generation: 5, dropIns }));
    await rename(join(units, 'telnet.service.d'), join(host.dir, 'away'));
    await writeFile(join(units, 'telnet.service.d'), 'in the way');
    await host.verb('suspend', '--mode', 'audit', '--for', '5m', '--reason', 'a test');
    await expect(host.verb('resume')).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /^hostward-sensor: this is in force, but the drop-in of telnet\.service cannot be written: /,
      ),
    });
    expect((await host.kernel())['hostward']).toContain('enforce-5');
    await rm(join(units, 'telnet.service.d'));
    await host.verb('suspend', '--mode', 'audit', '--for', '5m', '--reason', 'a test');
    await host.verb('resume');
  });

  it('is not said to be over by resume while the control plane suspends it too', async () => {
    await host.start();
    const suspend = { mode: 'off', until: Date.now() + 60_000, reason: 'fleet' };
    await sensor.apply(envelope({ generation: 5, suspend }));
    await host.verb('suspend', '--mode', 'off', '--for', '30m', '--reason', 'outage');
    await expect(host.verb('resume')).rejects.toMatchObject({
      stderr: expect.stringContaining('the control plane suspends it too'),
    });
    expect(await sensor.status()).toMatchObject({
      mode: 'off',
      suspension: { by: 'control-plane' },
    });
  });

  it('is not said to be over by resume where the kernel refused it', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'off', '--for', '30m', '--reason', 'outage');
    await writeFile(join(host.dir, 'security/apparmor/refuse'), '');
    await expect(host.verb('resume')).rejects.toMatchObject({
      stderr: expect.stringContaining('refused: '),
    });
    expect(await sensor.status()).toMatchObject({ outcome: { ok: false, code: 'load-failed' } });
  });
});
