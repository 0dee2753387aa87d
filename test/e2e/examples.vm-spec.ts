import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { expectAllowed, expectBlocked, isAllowed, isBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { projectRoot } from './support/product.js';

const MINUTES = 60_000;
const WEB = { role: 'web' };
const SOCKETS = JSON.stringify({
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name: 'sockets', annotations: { 'hostward.io/posture': 'block' } },
  spec: {
    nodeSelector: { matchLabels: WEB },
    network: { matchProtocols: ['tcp', 'udp', 'packet'].map((protocol) => ({ protocol })) },
    action: 'Allow',
  },
});

/** The policies of examples/ and others that are common, each with what it blocks and with ordinary work that goes on. */
describe('the examples on a real host', () => {
  let fleet: Fleet;
  let web1: Vm;

  beforeAll(async () => {
    fleet = await Fleet.start();
    web1 = await fleet.host('web1', 'role=web');
    await web1.ssh(
      'cp /usr/bin/true /tmp/dropped && cp /usr/bin/true /var/tmp/dropped && cp /usr/bin/true /opt/xmrig',
    );
  }, 10 * MINUTES);
  afterAll(() => fleet?.close());

  const example = (name: string): string => join(projectRoot, 'examples', `${name}.yaml`);

  it(
    'no-exec-from-tmp: what lies in /tmp and /var/tmp does not run, and is written and read as before',
    async () => {
      await expectAllowed(web1, '/tmp/dropped');
      await fleet.product.must([
        'apply',
        '-f',
        example('no-exec-from-tmp'),
        '--wait',
        '--timeout',
        '150s',
      ]);
      await expectBlocked(web1, '/tmp/dropped');
      await expectBlocked(web1, '/var/tmp/dropped');
      await expectAllowed(web1, 'echo x > /tmp/note && cat /tmp/note && rm /tmp/note');
    },
    3 * MINUTES,
  );

  it(
    'file-integrity: programs cannot be changed, replaced or added, and run as before',
    async () => {
      await fleet.product.must([
        'apply',
        '-f',
        example('file-integrity'),
        '--wait',
        '--timeout',
        '150s',
      ]);
      await expectBlocked(web1, 'cp /usr/bin/true /usr/bin/added');
      await expectBlocked(web1, 'echo x >> /bin/ls');
      await expectBlocked(web1, 'mv /usr/sbin/sshd /usr/sbin/sshd.old');
      await expectAllowed(web1, 'ls / > /dev/null && cat /usr/bin/ls > /dev/null');
    },
    3 * MINUTES,
  );

  it(
    'crypto-miners: a miner does not run under its name from anywhere',
    async () => {
      await expectAllowed(web1, '/opt/xmrig');
      await fleet.product.must([
        'apply',
        '-f',
        example('crypto-miners'),
        '--wait',
        '--timeout',
        '150s',
      ]);
      await expectBlocked(web1, '/opt/xmrig');
      await expectBlocked(web1, 'apt list');
      await expectBlocked(web1, 'touch /boot/x');
      await expectBlocked(web1, 'touch /usr/local/bin/x');
      await expectAllowed(web1, 'systemctl is-active ssh && ps aux > /dev/null');
    },
    3 * MINUTES,
  );

  it(
    'a program that is a link is blocked by its name, and by a pattern that ends in it',
    async () => {
      const target = (await web1.ssh('basename "$(readlink -f /usr/bin/awk)"')).stdout.trim();
      expect(target).not.toBe('awk');
      const text = blockProgram('no-awk', '/usr/bin/awk', WEB);
      for (const match of [
        'matchPaths:\n      - execname: awk',
        'matchPatterns:\n      - pattern: /*bin/awk',
      ]) {
        await expectAllowed(web1, "awk 'BEGIN { exit 0 }'");
        const policy = text.replace(/matchPaths:\n +- path: \S+/, match);
        await fleet.product.apply(policy, '--wait', '--timeout', '150s');
        for (const name of ['awk', target]) await expectBlocked(web1, `${name} 'BEGIN { exit 0 }'`);
        await fleet.product.must(['delete', 'policy', 'no-awk']);
        await eventually('awk is free', MINUTES, () => isAllowed(web1, "awk 'BEGIN { exit 0 }'"));
      }
    },
    4 * MINUTES,
  );

  it(
    'a list of sockets leaves what it lists, logins and the way to the control plane, and no other',
    async () => {
      const raw = "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'";
      await expectAllowed(web1, raw);
      await fleet.product.apply(SOCKETS, '--wait', '--timeout', '150s');
      await expectBlocked(web1, raw);
      await expectAllowed(web1, 'curl -sk https://10.0.2.2:1 || test $? = 7');
      await fleet.product.must(['delete', 'policy', 'sockets']);
      await eventually('raw sockets are free', MINUTES, () => isAllowed(web1, raw));
    },
    4 * MINUTES,
  );

  it(
    'zero-trust-nginx: posture audit reports what nginx starts, posture block stops it',
    async () => {
      await fleet.product.must([
        'apply',
        '-f',
        example('zero-trust-nginx'),
        '--wait',
        '--timeout',
        '150s',
      ]);
      await expectAllowed(web1, 'nginx -t');
      const blocking = (await readFile(example('zero-trust-nginx'), 'utf8')).replace(
        'hostward.io/posture: audit',
        'hostward.io/posture: block',
      );
      await fleet.product.apply(blocking, '--wait', '--timeout', '300s');
      await expectAllowed(
        web1,
        'nginx -t && systemctl restart nginx && curl -sf http://127.0.0.1/ > /dev/null',
      );
    },
    4 * MINUTES,
  );

  it(
    'a server is still patched: apt-get upgrade works, and the rules bind the new files',
    async () => {
      await fleet.product.must([
        'apply',
        '-f',
        example('allow-package-manager'),
        '--wait',
        '--timeout',
        '150s',
      ]);
      const before = (await web1.ssh('dpkg-query -W -f "\\${Version}" hw-sample')).stdout;
      await web1.ssh(
        'apt-get -o Acquire::Check-Valid-Until=false update && DEBIAN_FRONTEND=noninteractive apt-get -y upgrade',
        { timeoutMs: 3 * MINUTES },
      );
      expect((await web1.ssh('dpkg-query -W -f "\\${Version}" hw-sample')).stdout).not.toBe(before);
      await expectAllowed(web1, 'hw-sample');
      await expectBlocked(web1, 'echo x >> /usr/bin/hw-sample');
    },
    6 * MINUTES,
  );

  it(
    'all of them leave the host able to boot and to be reached',
    async () => {
      await web1.reboot();
      await eventually('blocked after the reboot', MINUTES, () => isBlocked(web1, '/opt/xmrig'));
      await eventually('ssh is active', MINUTES, () => isAllowed(web1, 'systemctl is-active ssh'));
      await fleet.product.must(
        ['status', 'policy', 'crypto-miners', '--wait', '--timeout', '300s'],
        6 * MINUTES,
      );
    },
    8 * MINUTES,
  );
});
