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
 * Linux 6.12 stops updating the label of a running process whose stack was replaced in parts. The sensor therefore
 * replaces whole stacks; without that the second change of policy would not reach the process of this suite.
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
    eventually(wanted, MINUTES, async () => {
      const { stdout } = await web1.ssh('cat /run/reader', { allowFailure: true });
      return stdout === wanted;
    });
  const block = (name: string): Promise<unknown> =>
    fleet.product.apply(blockFile(name, `/srv/${name}`, PROD), '--wait', '--timeout', '110s');

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
    3 * MINUTES,
  );

  it(
    'is reached by each later rule set while it runs',
    async () => {
      await block('two');
      await reads('one=denied two=denied three=read');
      await block('three');
      await reads('one=denied two=denied three=denied');
      await fleet.product.must(['delete', 'policy', 'one']);
      await reads('one=read two=denied three=denied');
    },
    4 * MINUTES,
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
