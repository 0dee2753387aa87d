import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { blockFile } from './support/policies.js';

const MINUTES = 60_000;
const PROD = { env: 'prod' };

const PROFILE = `profile reader /usr/local/bin/reader flags=(attach_disconnected) {
  capability,
  network,
  signal,
  unix,
  "/{,**}" rwlkm,
  /** pix,
}
`;
/** Tries three files over and over and writes down what it got: a process that never executes anything again. */
const READER = `import os, time

def attempt(name):
    try:
        os.close(os.open('/srv/' + name, os.O_RDONLY))
        return name + '=read'
    except OSError:
        return name + '=denied'

while True:
    with open('/run/reader.new', 'w') as f:
        f.write(' '.join(attempt(name) for name in ('one', 'two', 'three')))
    os.rename('/run/reader.new', '/run/reader')
    time.sleep(0.1)
`;

/**
 * Linux 6.12 stops updating the label of a running process that carries several profiles. Such a process may keep an
 * older rule set, so it never counts as reached while it runs, and a restart gives it the newest one.
 */
describe('a running service with an AppArmor profile of its own', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'env=prod');
    await web1.writeFile('/etc/apparmor.d/reader', PROFILE);
    await web1.writeFile('/opt/reader.py', READER);
    await web1.ssh(
      'cp "$(readlink -f /usr/bin/python3)" /usr/local/bin/reader && apparmor_parser -r /etc/apparmor.d/reader && touch /srv/one /srv/two /srv/three',
    );
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const reads = (wanted: string): Promise<unknown> =>
    eventually(wanted, 3 * MINUTES, async () => {
      const { stdout } = await web1.ssh('cat /run/reader', { allowFailure: true });
      return stdout === wanted;
    });
  const block = (name: string): Promise<unknown> =>
    fleet.product.apply(blockFile(name, `/srv/${name}`, PROD), '--wait', '--timeout', '110s');

  const restart = (): Promise<unknown> => web1.ssh('systemctl restart reader');

  it(
    'starts under both profiles',
    async () => {
      await block('one');
      await web1.ssh('systemd-run --unit=reader /usr/local/bin/reader /opt/reader.py');
      await reads('one=denied two=read three=read');
      const label = await web1.ssh(
        'cat /proc/$(systemctl show -P MainPID reader)/attr/apparmor/current',
      );
      expect(label.stdout).toMatch(/^hostward\/\/&.*reader \(enforce\)/);
    },
    8 * MINUTES,
  );

  it(
    'is named as uncovered while later rule sets may not reach it',
    async () => {
      await block('two');
      await block('three');
      const pid = (await web1.ssh('systemctl show -P MainPID reader')).stdout.trim();
      await eventually(`coverage names ${pid} reader`, 3 * MINUTES, async () => {
        const { stdout } = await fleet.product.cli(['status', 'node', 'web1', '-o', 'json']);
        return stdout.includes(`"${pid} reader"`);
      });
    },
    10 * MINUTES,
  );

  it(
    'is bound by the newest rule set once it is restarted',
    async () => {
      await restart();
      await reads('one=denied two=denied three=denied');
      await fleet.product.must(['delete', 'policy', 'one']);
      await eventually('one may be read', 3 * MINUTES, async () => {
        return (await web1.ssh('cat /srv/one', { allowFailure: true })).code === 0;
      });
      await restart();
      await reads('one=read two=denied three=denied');
    },
    10 * MINUTES,
  );

  it(
    'keeps its own profile as it was',
    async () => {
      const { stdout } = await web1.ssh(
        'cat /sys/kernel/security/apparmor/policy/profiles/reader.*/mode; grep -c . /sys/kernel/security/apparmor/profiles',
      );
      expect(stdout).toMatch(/^enforce\n/);
    },
    MINUTES,
  );
});
