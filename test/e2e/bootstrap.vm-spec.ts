import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeView } from '#contracts';
import { Lab, type DebianRelease, type Vm } from '#testing';
import type { HostReport } from '../../apps/cli/src/bootstrap/bootstrap-run.js';
import { eventually } from './support/eventually.js';
import { expectAllowed, expectBlocked } from './support/guest.js';
import { blockProgram } from './support/policies.js';
import { Product } from './support/product.js';
import { runPackage } from './support/agent-packages.js';

const MINUTES = 60_000;
/** Of the machine that joins by the script: with --full one of Debian 12, with a kernel and a parser of its time. */
const OTHER_RELEASE: DebianRelease = process.env['HOSTWARD_FULL'] === '1' ? 'bookworm' : 'trixie';

let product: Product;
const labs: Lab[] = [];
let folder: string;
let deb: string;
let bare: Vm;
let scripted: Vm;
let script: string;

/** As a guest reaches this machine's loopback. */
const url = (): string => `https://10.0.2.2:${product.port}`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-bootstrap-'));
  const packages = join(folder, 'packages');
  product = await Product.prepare();
  // As a release is made, but for the compression.
  await runPackage(['hostward-agent', '--out', packages], 8 * MINUTES);
  const name = (await readdir(packages)).find((each) => each.endsWith('_amd64.deb'));
  deb = join(packages, name ?? 'none was made');
  [bare, scripted] = await Promise.all([boot('bare', 'trixie'), boot('scripted', OTHER_RELEASE)]);
  const { dataDir, port } = product;
  const args = [`--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`, '--no-local-agent'];
  await product.must(['up', '--detach', ...args, '--packages', packages], 3 * MINUTES);
}, 15 * MINUTES);
afterAll(async () => {
  await Promise.all([...labs.map((lab) => lab.close()), product?.down()]);
  await rm(folder, { recursive: true, force: true });
});

async function boot(name: string, release: DebianRelease): Promise<Vm> {
  const lab = await Lab.open({ release });
  labs.push(lab);
  return lab.vm({ name });
}

/** Runs bootstrap on the bare VM, whose host key is taken from its console, as a person would. */
async function bootstrap(...args: string[]): Promise<{ code: number; host: HostReport }> {
  const { stdout: keys } = await bare.ssh('cat /etc/ssh/ssh_host_*_key.pub');
  const { port, keyFile } = bare.reach;
  const knownHosts = join(folder, 'known_hosts');
  const lines = keys.split('\n').filter(Boolean);
  await writeFile(knownHosts, lines.map((line) => `[127.0.0.1]:${port} ${line}\n`).join(''));
  const result = await product.cli(
    [
      ...['bootstrap', `root@127.0.0.1:${port}`, '--json', '--identity', keyFile],
      ...['--known-hosts', knownHosts, '--control-plane', url(), '--labels', 'env=vm', ...args],
      ...['--package', deb],
    ],
    { timeoutMs: 8 * MINUTES },
  );
  if (result.stdout === '') throw new Error(`no report: ${result.stderr}`);
  const [host] = (JSON.parse(result.stdout) as { hosts: HostReport[] }).hosts;
  if (host === undefined) throw new Error('no host in the report');
  return { code: result.code, host };
}

describe('two bare machines', () => {
  it(
    'one that is two days off is told so, and nothing is put on it',
    async () => {
      await bare.ssh('date -s "-2 days" >/dev/null');
      const { code, host } = await bootstrap();
      expect([code, host]).toMatchObject([1, { state: 'failed', code: 'clock-skew' }]);
      await bare.ssh(`test ! -e /usr/lib/hostward && date -s @${Math.ceil(Date.now() / 1000)}`);
    },
    5 * MINUTES,
  );

  it(
    'one joins by bootstrap, and a second run leaves it as it is',
    async () => {
      const { host } = await bootstrap();
      expect(host).toMatchObject({ state: 'enrolled', name: 'bare' });
      const again = await bootstrap();
      expect(again).toMatchObject({ code: 0, host: { state: 'unchanged', nodeId: host.nodeId } });
      expect(again.host.sentBytes ?? 0).toBeLessThan(20_000);
    },
    15 * MINUTES,
  );

  it(
    'the other joins by the install script, which leaves neither itself nor its token',
    async () => {
      const args = ['vm', 'getscript', 'scripted', '--control-plane', url(), '--labels', 'env=vm'];
      ({ stdout: script } = await product.must(args));
      await scripted.writeFile('/root/join.sh', script, 0o700);
      const { stderr } = await scripted.ssh('sh /root/join.sh', { timeoutMs: 8 * MINUTES });
      expect(stderr).toContain(`scripted has joined ${url()}`);
      const { stdout } = await scripted.ssh(
        'ls /root/join.sh /var/tmp/hostward.* 2>/dev/null; grep -rlE "hwj_[0-9a-f]{16}_" /etc /var /root /run/log 2>/dev/null; true',
      );
      expect(stdout).toBe('');
    },
    10 * MINUTES,
  );

  it(
    'both enforce a policy, proved by a probe, and listen on no port',
    async () => {
      await eventually('both connected', 3 * MINUTES, async () => {
        const { stdout } = await product.must(['get', 'nodes', '-o', 'json']);
        const nodes = JSON.parse(stdout) as NodeView[];
        return nodes.filter(({ connected }) => connected).length === 2;
      });
      await product.apply(blockProgram('no-sleep', '/usr/bin/sleep', { env: 'vm' }));
      const args = ['status', 'policy', 'no-sleep', '--wait', '--timeout', '300s'];
      await product.must(args, 4 * MINUTES);
      for (const vm of [bare, scripted]) {
        await expectBlocked(vm, 'sleep 0.01');
        await expectAllowed(vm, 'nice true');
        expect((await vm.ssh('ss -Hltnup')).stdout).not.toMatch(/hostward|node/);
      }
    },
    8 * MINUTES,
  );

  it(
    'where somebody removed the package, the same brings it back, and what was enforced before',
    async () => {
      for (const vm of [bare, scripted]) {
        await vm.ssh('dpkg --remove hostward-agent', { timeoutMs: 3 * MINUTES });
        await expectAllowed(vm, 'sleep 0.01');
      }
      const { host } = await bootstrap();
      expect(host).toMatchObject({ state: 'started', name: 'bare' });
      await scripted.writeFile('/root/join.sh', script, 0o700);
      const { stderr } = await scripted.ssh('sh /root/join.sh', { timeoutMs: 8 * MINUTES });
      expect(stderr).toContain(`this host has joined ${url()} before`);
      await scripted.ssh('test ! -e /root/join.sh');
      for (const vm of [bare, scripted])
        await eventually('it is enforced again', 2 * MINUTES, async () => {
          await expectBlocked(vm, 'sleep 0.01');
          return true;
        });
    },
    15 * MINUTES,
  );
});
