import {
  access,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { SampleTable } from './fixtures/sample-policy.js';
import {
  applyConfirmed,
  host,
  sensor,
  severalChecks,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';
import type { SensorState } from './state.js';

const dropIn = (label: string): string => `# ours\n[Service]\nAppArmorProfile=${label}\n`;
const BLOCKED = dropIn('hostward-blocked');
const STACKED = dropIn('-hostward//&mysqld');
const FILE = '50-hostward.conf';
const TABLE: SampleTable = {
  generation: 5,
  dropIns: { 'telnet.service': BLOCKED, 'mysqld.service': STACKED },
};

useSensorHost();

const at = (...path: readonly string[]): string => join(host.dir, 'units', ...path);
const written = (unit: string): Promise<string> => readFile(at(`${unit}.d`, FILE), 'utf8');
/** As `systemctl revert` does, at once. */
const revert = (unit: string): Promise<void> => rename(at(`${unit}.d`), join(host.dir, 'reverted'));
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const timesIn = (text: string): number => host.log.split(text).length - 1;
const reloads = (): number => timesIn('systemd reads its units again');

describe('a drop-in', () => {
  it('lies where all may read what an administrator puts beside it, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await host.start();
    } finally {
      process.umask(before);
    }
    await applyConfirmed(TABLE);
    expect((await stat(at('telnet.service.d'))).mode & 0o777).toBe(0o755);
    expect((await stat(at('telnet.service.d', FILE))).mode & 0o777).toBe(0o644);
  });

  it('that somebody removes or changes is drift: told of, written again, and systemd reads it', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    expect(reloads()).toBe(1);
    await revert('telnet.service');
    await writeFile(at('mysqld.service.d', FILE), '[Service]\nAppArmorProfile=mysqld\n');
    const state = await stateWhen(({ drift }) => drift.length > 1);
    const repaired = { detectedAt: expect.any(Number), repairedAt: expect.any(Number) };
    const ordered = [...state.drift].sort((a, b) => (a.what < b.what ? -1 : 1));
    expect(ordered).toEqual([
      { what: 'drop-in of mysqld.service was changed', ...repaired },
      { what: 'drop-in of telnet.service was removed', ...repaired },
    ]);
    expect(await written('telnet.service')).toBe(BLOCKED);
    expect(await written('mysqld.service')).toBe(STACKED);
    expect(reloads()).toBeGreaterThan(1);
    expect(state.outcome).toEqual({ ok: true });
  });

  it('of ours that no rule asks for is drift too; files of others stay', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    await mkdir(at('sshd.service.d'));
    await writeFile(at('sshd.service.d/10-other.conf'), '[Service]\n');
    await writeFile(at('sshd.service.d', FILE), BLOCKED);
    const state = await stateWhen(({ drift }) => drift.length > 0);
    expect(state.drift[0]?.what).toBe('drop-in of sshd.service was put there');
    expect(await exists(at('sshd.service.d', FILE))).toBe(false);
    expect(await exists(at('sshd.service.d/10-other.conf'))).toBe(true);
  });

  it('that is missing at a start is written, though the kernel holds the rule set', async () => {
    await host.start('--check-interval', '60000');
    await applyConfirmed(TABLE);
    await host.stop('SIGKILL');
    await revert('telnet.service');
    await host.start('--check-interval', '60000');
    expect(await written('telnet.service')).toBe(BLOCKED);
    const { drift, outcome } = await sensor.status();
    expect({ drift, outcome }).toEqual({ drift: [], outcome: { ok: true } });
  });

  it('is read back at a recheck', async () => {
    await host.start('--check-interval', '60000');
    await applyConfirmed(TABLE);
    await revert('telnet.service');
    const { drift } = await sensor.recheck();
    expect(drift).toMatchObject([{ what: 'drop-in of telnet.service was removed' }]);
    expect(await written('telnet.service')).toBe(BLOCKED);
  });

  it('that is as it should be is not written, and systemd is left alone', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    const before = await stat(at('telnet.service.d', FILE));
    await severalChecks();
    expect((await stat(at('telnet.service.d', FILE))).ino).toBe(before.ino);
    expect(reloads()).toBe(1);
    expect(await sensor.status()).toMatchObject({ drift: [], outcome: { ok: true } });
  });

  it('that cannot be written is said once, keeps no other from systemd, and is written when it can be', async () => {
    await host.start();
    await writeFile(at('mysqld.service.d'), 'in the way');
    const applied = await sensor.apply(Buffer.from(JSON.stringify(TABLE)));
    expect(applied.outcome).toMatchObject({ ok: false, code: 'drop-in-failed' });
    expect(applied.outcome.message).toContain('mysqld.service');
    expect(await written('telnet.service')).toBe(BLOCKED);
    expect(reloads()).toBe(1);
    await severalChecks();
    expect(timesIn('code=drop-in-failed')).toBe(1);
    expect((await sensor.status()).outcome.ok).toBe(false);
    await rm(at('mysqld.service.d'));
    await stateWhen(({ outcome }) => outcome.ok);
    expect(await written('mysqld.service')).toBe(STACKED);
  });

  it('that keeps a unit from starting is gone while nothing blocks, and stays so', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    await host.verb('suspend', '--mode', 'audit', '--for', '5m', '--reason', 'a test');
    await severalChecks();
    expect(await exists(at('telnet.service.d'))).toBe(false);
    expect(await written('mysqld.service')).toBe(STACKED);
    expect(await sensor.status()).toMatchObject({ drift: [] });
    await host.verb('resume');
    expect(await written('telnet.service')).toBe(BLOCKED);
  });
});

describe('a rule set is compiled anew', () => {
  const compiledAnew = (): Promise<SensorState> =>
    stateWhen(() => host.log.includes('compiled anew reason=the host changed'));

  /** Nothing is compiled anew by itself. */
  async function settled(): Promise<void> {
    await severalChecks();
    expect(host.log).not.toContain('compiled anew');
  }

  it('not for drop-ins of our own', async () => {
    await writeFile(at('telnet.service'), '[Service]\nExecStart=/usr/sbin/telnetd\n');
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await revert('telnet.service');
    await settled();
    expect(await written('telnet.service')).toBe(BLOCKED);
    await applyConfirmed({ generation: 6 });
    expect(await exists(at('telnet.service.d'))).toBe(false);
    await settled();
    expect(host.compiler.requests).toHaveLength(2);
  });

  it('for a unit file that comes', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await writeFile(at('other.service'), '[Service]\n');
    await compiledAnew();
  });

  it('for a unit file that is written over in place', async () => {
    await writeFile(at('telnet.service'), '[Service]\n');
    await utimes(at('telnet.service'), 1, 1);
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await writeFile(at('telnet.service'), '[Service]\nExecStart=/bin/true\n');
    await compiledAnew();
  });

  it('for a drop-in of others beside ours, as `systemctl edit` makes it', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await writeFile(at('telnet.service.d/override.conf'), '[Service]\n');
    await compiledAnew();
  });

  it('for a drop-in of others that changes', async () => {
    await mkdir(at('telnet.service.d'));
    await writeFile(at('telnet.service.d/override.conf'), '[Service]\n');
    await utimes(at('telnet.service.d/override.conf'), 1, 1);
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await utimes(at('telnet.service.d/override.conf'), 2, 2);
    await compiledAnew();
  });

  it('for a unit that is masked', async () => {
    await host.start();
    await applyConfirmed(TABLE);
    await settled();
    await symlink('/dev/null', at('other.service'));
    await compiledAnew();
  });
});
