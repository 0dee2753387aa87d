import { access, copyFile, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  applyConfirmed,
  envelope,
  host,
  logged,
  assignmentVersionOf,
  sensor,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';
import { TAG } from './protocol.js';

/** What stays over a start of the sensor where its disk is full, or where it died in the middle of something. */

useSensorHost();

beforeEach(() => host.start());

const file = (name: string): string => join(host.dir, 'state', name);
/** A folder in the place of its temporary file keeps a file from being written. */
const noRoomFor = (name: string): Promise<unknown> => mkdir(file(`.${name}.new`));
const roomFor = (name: string): Promise<void> => rmdir(file(`.${name}.new`));
const suspend = (): Promise<string> =>
  host.verb('suspend', '--mode', 'off', '--for', '5m', '--reason', 'a test');

async function startAnew(): Promise<void> {
  await host.stop('SIGKILL');
  await host.start();
}

describe('break-glass on a full disk', () => {
  const notKept = {
    code: 3,
    stderr: expect.stringMatching(/^hostward-sensor: this is in force, but/),
  };

  beforeEach(async () => {
    await applyConfirmed({ generation: 5 });
  });

  it('is in force, and says that the next start ends it', async () => {
    await noRoomFor('memory');
    await expect(suspend()).rejects.toMatchObject(notKept);
    expect(await sensor.status()).toMatchObject({ mode: 'off', suspension: { by: 'console' } });
    expect((await host.kernel())['hostward']).toContain('open-5');
  });

  it('is kept as soon as there is room, and so is its end', async () => {
    await noRoomFor('memory');
    await expect(suspend()).rejects.toMatchObject(notKept);
    await roomFor('memory');
    await logged('the memory file is written again');
    await startAnew();
    expect(await sensor.status()).toMatchObject({ mode: 'off', suspension: { reason: 'a test' } });
    await noRoomFor('memory');
    await expect(host.verb('resume')).rejects.toMatchObject(notKept);
    expect(await sensor.status()).toMatchObject({ mode: 'enforce' });
    await roomFor('memory');
    await logged('the memory file is written again');
    await startAnew();
    expect(await sensor.status()).toMatchObject({ mode: 'enforce' });
  });
});

describe('a sensor that died between its two files', () => {
  it('enforces what it was suspended to by the rule set that was written, at boot and after it', async () => {
    const ordered = { mode: 'audit', until: Date.now() + 60_000, reason: 'fleet' };
    await applyConfirmed({ generation: 5 });
    await copyFile(file('memory'), file('kept'));
    await sensor.apply(envelope({ generation: 6, suspend: ordered }));
    await host.stop('SIGKILL');
    await copyFile(file('kept'), file('memory'));
    await host.forgetKernel();
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('audit-6');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      ...{
        mode: 'audit',
        assignmentVersion: assignmentVersionOf(6),
        highest: assignmentVersionOf(6),
      },
      ...{ confirm: { state: 'waiting' }, suspension: { by: 'control-plane', reason: 'fleet' } },
    });
  });
});

describe('an envelope for which there was no room', () => {
  it('is kept when it comes again', async () => {
    const five = envelope({ generation: 5 });
    await host.stop();
    await noRoomFor('envelope');
    await host.start();
    await sensor.apply(five);
    await expect(access(file('envelope'))).rejects.toThrow();
    await roomFor('envelope');
    await sensor.apply(five);
    expect(await readFile(file('envelope'))).toEqual(five);
  });

  it('is kept as soon as there is some, compiled anew until then, and that of the rule set before is gone', async () => {
    const six = Buffer.from(envelope({ generation: 6 }));
    await applyConfirmed({ generation: 5 });
    await noRoomFor('envelope');
    await applyConfirmed({ generation: 6 });
    await expect(access(file('envelope'))).rejects.toThrow();
    const asked = host.compiler.requests.length;
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'mysqld (enforce)\n');
    await stateWhen(() => host.compiler.requests.length > asked);
    const anew = host.compiler.requests[asked]?.fields.text(TAG.ENVELOPE);
    expect(anew).toBe(six.toString());
    await roomFor('envelope');
    await logged('the envelope is kept');
    expect(await readFile(file('envelope'))).toEqual(six);
  });

  it('is that of the rule set in force, whatever was refused since', async () => {
    await noRoomFor('envelope');
    await applyConfirmed({ generation: 5 });
    await noRoomFor('memory');
    await expect(sensor.apply(envelope({ generation: 6 }))).rejects.toThrow();
    await roomFor('memory');
    await roomFor('envelope');
    await logged('the envelope is kept');
    expect(await readFile(file('envelope'))).toEqual(Buffer.from(envelope({ generation: 5 })));
  });
});
