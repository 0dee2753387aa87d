import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Lab } from './lab.js';
import type { Vm } from './vm.js';

const LONG_MS = 600_000;
const MINUTE_MS = 120_000;

/** Holds the boot up before sshd, as long as its program is there. */
const STUCK_ONCE = `[Unit]
ConditionPathExists=/opt/stuck
Before=ssh.service ssh.socket
[Service]
Type=oneshot
ExecStart=/opt/stuck
StandardOutput=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
`;

describe('the VM lab', () => {
  const told: string[] = [];
  let lab: Lab;
  let a: Vm;
  let b: Vm;
  let portOfB: number;

  beforeAll(async () => {
    lab = await Lab.open({ log: (line) => void told.push(line) });
    const base = await lab.base();
    [a, b] = await Promise.all([
      lab.vm({ name: 'a', from: base }),
      lab.vm({ name: 'b', from: base }),
    ]);
  }, LONG_MS);

  afterAll(() => lab.close(), MINUTE_MS);

  it(
    'gives two VMs of one snapshot an identity and randomness of their own',
    async () => {
      const identity =
        'hostname; cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; head -c16 /dev/urandom | od -An -tx1';
      const [ofA, ofB] = (await both(identity)).map((text) => text.split('\n'));
      expect([ofA?.[0], ofB?.[0]]).toEqual(['a', 'b']);
      for (const line of [1, 2, 3]) expect(ofA?.[line]).not.toBe(ofB?.[line]);
      expect(ofA?.[1]).toMatch(/^[0-9a-f]{32}$/);
    },
    MINUTE_MS,
  );

  it(
    'sets the clock of a restored VM right, never ahead of its host',
    async () => {
      const before = Date.now() / 1000;
      const guest = Number((await a.ssh('date +%s.%N')).stdout);
      expect(guest).toBeGreaterThan(before - 30);
      expect(guest).toBeLessThan(Date.now() / 1000 + 2);
    },
    MINUTE_MS,
  );

  it(
    'runs a kernel with AppArmor, BPF-LSM and BTF',
    async () => {
      const lsm = (await a.ssh('cat /sys/kernel/security/lsm; ls /sys/kernel/btf/vmlinux')).stdout;
      expect(lsm.split('\n')[0]?.split(',')).toEqual(expect.arrayContaining(['apparmor', 'bpf']));
      expect(Number((await a.ssh('aa-status --profiled')).stdout)).toBeGreaterThan(20);
    },
    MINUTE_MS,
  );

  it(
    'tells exit codes, output and errors of a command apart',
    async () => {
      const result = await a.ssh(['sh', '-c', "echo 'it''s out'; echo err >&2; exit 7"], {
        allowFailure: true,
      });
      expect(result).toMatchObject({ code: 7, stdout: 'its out\n', stderr: 'err\n' });
      await expect(a.ssh('false')).rejects.toThrow(/`false` ended with 1/);
      await expect(a.ssh('sleep 30', { timeoutMs: 500 })).rejects.toThrow(/took over 500 ms/);
      expect((await a.ssh('cat', { input: 'through' })).stdout).toBe('through');
    },
    MINUTE_MS,
  );

  it(
    'brings files and folders in, by ssh and as a read-only disk',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lab-spec-'));
      await mkdir(join(folder, 'sub'));
      await writeFile(join(folder, 'sub', 'tool'), '#!/bin/sh\necho from $0\n', { mode: 0o755 });
      await a.copyIn(folder, '/opt/one');
      await a.copyIn(join(folder, 'sub', 'tool'), '/opt/two/tool');
      expect(await a.mountFolder(folder, 'three')).toBe('/mnt/three');
      await rm(folder, { recursive: true });
      const all = await a.ssh(
        '/opt/one/sub/tool; /opt/two/tool; /mnt/three/sub/tool; ! touch /mnt/three/x 2>/dev/null',
      );
      expect(all.stdout).toBe(
        'from /opt/one/sub/tool\nfrom /opt/two/tool\nfrom /mnt/three/sub/tool\n',
      );
    },
    MINUTE_MS,
  );

  it(
    'reaches the host at 10.0.2.2, not while its link is cut, and ssh goes on',
    async () => {
      const server = createServer((_request, response) => void response.end('host'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const ask = async (how: string): Promise<string> =>
        (await b.ssh(`curl -s ${how} http://10.0.2.2:${port}/ || echo none`)).stdout.trim();
      const patiently = '-m 5 --retry 10 --retry-all-errors --retry-delay 1';
      expect(await ask(patiently)).toBe('host');
      await b.cutLink();
      expect(await ask('-m 2')).toBe('none');
      await b.restoreLink();
      expect(await ask(patiently)).toBe('host');
      server.close();
    },
    3 * MINUTE_MS,
  );

  it(
    'forwards a port of the host to the guest',
    async () => {
      portOfB = await b.hostForward(80);
      await expectPageOfB();
    },
    MINUTE_MS,
  );

  it(
    'upgrades a package of the local repository without a network',
    async () => {
      const upgrade =
        'hw-sample; (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq upgrade) >/dev/null; hw-sample';
      expect((await b.ssh(upgrade)).stdout).toBe('hw-sample 1.0\nhw-sample 2.0\n');
    },
    MINUTE_MS,
  );

  it(
    'comes back from a reboot with its identity, its disk and its journal',
    async () => {
      const boot = 'cat /proc/sys/kernel/random/boot_id';
      const [before, identity] = [await a.ssh(boot), await a.ssh('hostname; cat /etc/machine-id')];
      await a.reboot();
      expect((await a.ssh(boot)).stdout).not.toBe(before.stdout);
      expect((await a.ssh('hostname; cat /etc/machine-id')).stdout).toBe(identity.stdout);
      expect((await a.ssh('/mnt/three/sub/tool')).stdout).toContain('from');
      expect(await a.waitBooted()).toEqual({ state: 'running', failedUnits: [] });
    },
    LONG_MS,
  );

  it(
    'begins a boot anew in which the emulator lost a timer, once, and tells it',
    async () => {
      const words = "rcu: rcu_preempt kthread timer wakeup didn't happen for 5251 jiffies!";
      await b.writeFile(
        '/opt/stuck',
        `#!/bin/sh\nrm $0\nsync\nprintf "%s\\n" "${words}" "${words}"\nsleep 900\n`,
        0o755,
      );
      await b.writeFile('/etc/systemd/system/stuck.service', STUCK_ONCE);
      await b.ssh('systemctl enable stuck');
      await b.reboot();
      expect((await b.ssh('ls /opt')).stdout).not.toContain('stuck');
      expect(told.filter((line) => line.includes('it lost a timer'))).toEqual([
        expect.stringMatching(
          /^lab: the boot of b is begun anew, once: it lost a timer; its processors: RIP=\S+ .*; RIP=\S+ /,
        ),
      ]);
    },
    LONG_MS,
  );

  it(
    'starts QEMU again where it ended in a reboot, with its disks and forwards, and tells it',
    async () => {
      await b.mountFolder(join(import.meta.dirname), 'stays');
      await b.ssh('sync');
      process.kill(b.reach.pid, 'SIGKILL');
      await b.reboot();
      expect((await b.ssh('hostname; ls /mnt/stays')).stdout).toMatch(/^b\n[^]*lab\.vm-spec/);
      await b.waitBooted();
      await expectPageOfB();
      expect(told.filter((line) => line.includes('QEMU ended'))).toEqual([
        expect.stringMatching(
          /^lab: the boot of b is begun anew, once: QEMU ended with SIGKILL, without a word; QEMU is started again: /,
        ),
      ]);
    },
    LONG_MS,
  );

  it(
    'makes a layer once for its content, with the processes that its preparation left running',
    async () => {
      const content = 'lab.vm-spec 1';
      let prepared = 0;
      const prepare = async (vm: Vm): Promise<void> => {
        prepared++;
        await vm.mountFolder(join(import.meta.dirname), 'gone');
        await vm.ssh('systemd-run --unit=stays sleep infinity; echo content > /opt/layer');
      };
      const first = await lab.layer({ name: 'spec', content, prepare });
      const again = await lab.layer({ name: 'spec', content, prepare });
      expect(again).toEqual(first);
      expect(prepared).toBeLessThanOrEqual(1);
      const vm = await lab.vm({ name: 'layered', from: first });
      expect((await vm.ssh('cat /opt/layer; systemctl is-active stays; ls /mnt')).stdout).toBe(
        'content\nactive\n',
      );
      await vm.kill();
    },
    LONG_MS,
  );

  it(
    'leaves no process and no file behind',
    async () => {
      const own = lab.runDir;
      expect(processesNaming(own).length).toBeGreaterThan(0);
      await lab.close();
      expect(existsSync(own)).toBe(false);
      expect(processesNaming(own)).toEqual([]);
    },
    MINUTE_MS,
  );

  async function expectPageOfB(): Promise<void> {
    const page = await fetch(`http://127.0.0.1:${portOfB}/`);
    expect(await page.text()).toContain('nginx');
  }

  async function both(command: string): Promise<string[]> {
    return Promise.all([a, b].map(async (vm) => (await vm.ssh(command)).stdout));
  }
});

/** Command lines of all processes that name `path`. */
function processesNaming(path: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(commandLine).filter((line) => line.includes(path));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
