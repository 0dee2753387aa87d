import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  envelope,
  eventOf,
  host,
  sensor,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';

const USB = 'sys/bus/usb/devices';
/** A disk, in use. */
const STICK = {
  '1-2/devnum': '5\n',
  '1-2/authorized': '1\n',
  '1-2/dev': '189:1\n',
  '1-2/descriptors': Buffer.from(
    '1201000200000040f446010000000000' + '0001' + '090212000101008032' + '090400000008065000',
    'hex',
  ),
};

useSensorHost();

describe('rules about USB devices', () => {
  const gate = (): Promise<string> =>
    readFile(join(host.dir, USB, 'usb1/authorized_default'), 'utf8');
  const authorized = (): Promise<string> => readFile(join(host.dir, USB, '1-2/authorized'), 'utf8');
  const devices = 'block 100 4 8 - - - control-path\n';

  beforeEach(async () => {
    await mkdir(join(host.dir, USB, 'usb1'), { recursive: true });
    await mkdir(join(host.dir, USB, '1-2'));
    const files = { 'usb1/authorized_default': '1\n', ...STICK };
    for (const [name, content] of Object.entries(files))
      await writeFile(join(host.dir, USB, name), content);
  });

  it('are kept over a restart, told of, drift when undone by hand, and end with the rule set', async () => {
    await host.start();
    const state = await sensor.apply(envelope({ generation: 5, devices }));
    expect(state.devices).toEqual({
      ...{ bus: true, listening: true, present: 1, refused: 1, spared: [] },
    });
    expect([await gate(), await authorized()]).toEqual(['0\n', '0\n']);
    expect(await eventOf('denied', 1)).toMatchObject({
      ...{ operation: 'usb', name: '8/6/80', enforcer: 'usb', rule: 4, device: '189:1' },
      ...{ info: 'place=1-2 id=46f4:0001 level=1', generation: '5' },
    });
    await host.stop('SIGKILL');
    expect(await gate()).toBe('0\n');
    await host.start();
    await writeFile(join(host.dir, USB, '1-2/authorized'), '1\n');
    const drifted = await stateWhen(({ drift }) => drift.length > 0);
    expect(drifted.drift[0]).toMatchObject({ what: 'USB: device 1-2 was let in by hand' });
    expect(await authorized()).toBe('0\n');
    const without = await sensor.apply(envelope({ generation: 6 }));
    expect(without.devices).toBeUndefined();
    expect([await gate(), await authorized()]).toEqual(['1\n', '1\n']);
  });

  it('that are malformed are refused as a whole, and what was in force stays', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, devices }));
    const refused = sensor.apply(envelope({ generation: 6, devices: 'block all\n' }));
    await expect(refused).rejects.toMatchObject({ code: 'compiler-malformed' });
    expect(await gate()).toBe('0\n');
  });

  it('are let go of without a living sensor, but for what others keep out', async () => {
    await writeFile(join(host.dir, USB, '1-2/authorized'), '0\n');
    const came = { '1-3/devnum': '6\n', '1-3/authorized': '1\n', '1-3/dev': '189:2\n' };
    await mkdir(join(host.dir, USB, '1-3'));
    for (const [name, content] of Object.entries(came))
      await writeFile(join(host.dir, USB, name), content);
    await writeFile(join(host.dir, USB, '1-3/descriptors'), STICK['1-2/descriptors']);
    const third = (name: string): string => join(host.dir, USB, '1-3', name);
    await host.verb('usb-release');
    await host.start();
    await sensor.apply(envelope({ generation: 5, devices }));
    await expect(host.verb('usb-release')).rejects.toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('hostward-sensor unload') },
    });
    await host.stop('SIGKILL');
    // Pulled out while nobody looked; the gates keep out what comes in its place.
    await writeFile(third('devnum'), '7\n');
    expect([await gate(), await readFile(third('authorized'), 'utf8')]).toEqual(['0\n', '0\n']);
    await host.verb('usb-release');
    expect([await gate(), await readFile(third('authorized'), 'utf8')]).toEqual(['1\n', '1\n']);
    expect(await authorized()).toBe('0\n');
  });

  it('are let go while suspended, and hold again after', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, devices }));
    await host.verb('suspend', '--mode', 'off', '--for', '1h', '--reason', 'test');
    expect([await gate(), await authorized()]).toEqual(['1\n', '1\n']);
    await host.verb('resume');
    expect([await gate(), await authorized()]).toEqual(['0\n', '0\n']);
  });
});
