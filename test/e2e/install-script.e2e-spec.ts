import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'yaml';
import { BootstrapRig, TOKEN_FORM } from './support/bootstrap-rig.js';

const MINUTE = 60_000;

jest.setTimeout(5 * MINUTE);

let rig: BootstrapRig;

beforeAll(async () => {
  rig = await BootstrapRig.start();
}, 10 * MINUTE);

afterAll(() => rig?.close());

describe('the install script', () => {
  async function scriptFor(name: string, ...args: string[]): Promise<string> {
    const { url } = await rig.product.record();
    return (await rig.product.must(['vm', 'getscript', name, '--control-plane', url, ...args]))
      .stdout;
  }

  it('makes a host of the machine that it is piped into, once; its token is nowhere after', async () => {
    const [host, second] = await Promise.all([
      rig.lab.start({ name: 'scripted', prepare: 'mv /usr/bin/dpkg /usr/bin/dpkg.away' }),
      rig.lab.start({ name: 'scripted-2', prepare: 'mv /usr/bin/dpkg /usr/bin/dpkg.away' }),
    ]);
    const script = await scriptFor('scripted', '--labels', 'env=script');
    const done = await host.run(
      'umask 077; cat >/root-script.sh; cd /; dash /root-script.sh',
      script,
    );
    await host.run('rm -f /root-script.sh');
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('scripted has joined')]);
    const found = (await rig.nodes()).find(({ name }) => name === 'scripted');
    expect(found).toMatchObject({ phase: 'enrolled', labels: { env: 'script' } });
    const { stdout } = await host.run(
      `ls /root-script.sh /var/tmp/hostward.* 2>/dev/null; grep -rlE '${TOKEN_FORM}' /etc /var /run`,
    );
    expect(stdout).toBe('');
    await host.run('rm /run/systemd/active-hostward-agent.service; : >/run/systemd/calls');
    const again = await host.run('dash -s', script);
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/joined .* before\n$/)]);
    expect(
      (await host.run('dash -s; cat /run/systemd/calls', script)).stdout.match(/restart/g),
    ).toHaveLength(1);
    // Broken off between its enrolment and the configuration: another run ends it.
    await host.run('cd /etc/hostward; mv agent.yaml agent.yaml.new; echo other >agent.yaml');
    expect((await host.run('dash -s', script)).stderr).toMatch(/joined .* before\n$/);
    const kept = await host.run('cd /etc/hostward; cat agent.yaml; ls');
    expect(kept.stdout).toMatch(/caFingerprint.*\nagent\.yaml\nagent\.yaml\.before\n$/s);
    // Where it has followed a replacement of the CA, its configuration has the fingerprint of before.
    const trusted =
      'sed -i s/caFingerprint:.*/old/ /etc/hostward/agent.yaml; cd /var/lib/hostward/agent; rm ca.pinned';
    await host.run(trusted);
    expect((await host.run('dash -s', script)).stderr).toMatch(/joined .* before\n$/);
    const { caFingerprint } = await rig.product.record();
    const files =
      'cd /; find etc/hostward usr/lib/hostward var/lib/hostward -type f | xargs sha256sum';
    const before = (await host.run(files)).stdout;
    const foreign = await host.run('dash -s', script.replaceAll(caFingerprint, 'ab'.repeat(32)));
    expect([foreign.code, foreign.stderr]).toEqual([
      1,
      expect.stringContaining('error enrolled-elsewhere'),
    ]);
    expect((await host.run(files)).stdout).toBe(before);
    const spent = await second.run('dash -s', script);
    expect([spent.code, spent.stderr]).toEqual([1, expect.stringContaining('error token-refused')]);
  });

  it('does nothing where CA, clock, package or signature is not the one it carries', async () => {
    const prepare = 'mv /usr/bin/dpkg /usr/bin/dpkg.away';
    const host = await rig.lab.start({ name: 'wary', prepare });
    const script = await scriptFor('wary');
    const { caFingerprint } = await rig.product.record();
    const other = script.replaceAll(caFingerprint, 'ab'.repeat(32));
    expect((await host.run('dash -s', other)).stderr).toContain('error ca-not-pinned');
    const late = script.replace(/expires='\d{4}/, "expires='2001");
    expect((await host.run('dash -s', late)).stderr).toContain('error token-refused');
    const key = script.replace(/MCowBQYDK2VwAyEA.{6}/, 'MCowBQYDK2VwAyEAAAAAAA');
    expect((await host.run('dash -s', key)).stderr).toContain('error package-damaged');
    const content = await readFile(rig.packageFile);
    await writeFile(rig.packageFile, Buffer.concat([content.subarray(0, -1), Buffer.from('!')]));
    try {
      expect((await host.run('dash -s', script)).stderr).toContain('does not have its sum');
    } finally {
      await writeFile(rig.packageFile, content);
    }
    const { stdout } = await host.run(
      'ls -d /usr/lib/hostward /etc/hostward /var/tmp/hostward.* 2>/dev/null',
    );
    expect(stdout).toBe('');
    expect((await rig.nodes()).find(({ name }) => name === 'wary')).toBeUndefined();
  });

  it('is refused by the control plane where the packages are not what was signed', async () => {
    const sums = join(rig.release.dir, 'SHA256SUMS');
    const text = await readFile(sums, 'utf8');
    await writeFile(
      sums,
      text.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    );
    try {
      const { url } = await rig.product.record();
      const args = ['vm', 'getscript', 'web9', '--control-plane', url];
      const result = await rig.product.cli(args);
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toContain('not signed by');
    } finally {
      await writeFile(sums, text);
    }
  });

  it('comes as user-data of cloud-init, of which no copy keeps the token', async () => {
    const prepare = 'mv /usr/bin/dpkg /usr/bin/dpkg.away';
    const host = await rig.lab.start({ name: 'cloudy', prepare });
    const userData = await scriptFor('cloudy', '--cloud-init');
    const { write_files: files, runcmd } = parse(userData) as {
      write_files: readonly { path: string; permissions: string; content: string }[];
      runcmd: readonly (readonly string[])[];
    };
    for (const { path, permissions, content } of files)
      await host.run(`cat >'${path}' && chmod ${permissions} '${path}'`, content);
    const kept = '/var/lib/cloud/instance/user-data.txt';
    await host.run(`mkdir -p /var/lib/cloud/instance && cat >${kept}`, userData);
    const done = await host.run(runcmd.map((words) => words.join(' ')).join('\n'));
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('cloudy has joined')]);
    const { stdout } = await host.run(
      `ls ${files.map(({ path }) => path).join(' ')} 2>/dev/null; grep -rlE '${TOKEN_FORM}' /etc /var /run; wc -c <${kept}`,
    );
    expect(stdout.trim()).toBe(String(Buffer.byteLength(userData)));
  });
});

describe('packages', () => {
  it('are told and sent to anybody, and nothing else of the folder is', async () => {
    const rest = await rig.product.rest();
    const list = await rest.get('/v1/packages', { token: null });
    expect([list.status, list.body['items']]).toEqual([
      200,
      [{ file: rig.release.file, sha256: expect.any(String), bytes: rig.release.bytes }],
    ]);
    await writeFile(join(rig.release.dir, 'secret.txt'), 'not a package');
    const statuses = await Promise.all(
      ['SHA256SUMS', 'secret.txt', '..%2Fdata', '%2e%2e', 'release.pub.pem', rig.release.file].map(
        async (file) => (await rest.get(`/v1/packages/${file}`, { token: null })).status,
      ),
    );
    expect(statuses).toEqual([200, 404, 404, 404, 200, 200]);
  });
});
