import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readAptOrigin } from '#testing';
import { eventually } from '../e2e/support/eventually.js';
import { projectRoot } from '../e2e/support/product.js';
import { DockerDaemon } from './support/docker-daemon.js';
import { runPackage } from '../e2e/support/agent-packages.js';

const MINUTE = 60_000;
const CLI = [execPath, join(projectRoot, 'dist/apps/cli/src/bundle.js')];
const DATA = '/var/lib/hostward-control-plane';
const HOSTS = 2;
const NEWER = '9.0.0';
/** What the image installs: there is no network where it is built, so that the base has it already. */
const INSTALLED = 'etcd-server,libstdc++6,openssl,redis-server,systemd';
/** Gives each certificate of a server or client a past, and nothing else. */
const ENDS = `cd ${DATA}/pki
end() {
  for name in $3; do
    openssl x509 -in $name.pem -x509toreq -signkey $name.key -copy_extensions copyall -out /tmp/request
    openssl x509 -req -in /tmp/request -copy_extensions copyall -CA $1.pem -CAkey $2.key \\
      -not_before 20250101000000Z -not_after 20250102000000Z -out /tmp/ended
    cat /tmp/ended >$name.pem
  done
}
end authority ca 'control-plane redis client'
end etcd-ca etcd-ca 'etcd etcd-client'
`;
const root = process.getuid?.() === 0;
const run = promisify(execFile);

interface SimReport {
  readonly enrolled: number;
  readonly changes: readonly { hosts: number; failed: number; missing: number }[];
}

(root ? describe : describe.skip)(
  `the containers of compose.yaml${root ? '' : ' (skipped: a Docker of its own needs root)'}`,
  () => {
    let folder: string;
    let docker: DockerDaemon;
    let environment: Record<string, string>;

    const project = (): string => join(folder, 'packaging/compose');
    const compose = (line: string): Promise<string> =>
      docker.shell(`docker compose ${line}`, project());
    const hostward = (...args: string[]): Promise<string> =>
      docker.inside([...CLI, ...args], environment);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'hostward-containers-'));
      await packaged('build/packages');
      await cp(join(projectRoot, 'packaging/compose'), project(), { recursive: true });
      await mkdir(join(folder, 'docker'));
      docker = await DockerDaemon.start(join(folder, 'docker'));
      await docker.shell(`docker import ${await baseImage(folder)} debian:13`);
    }, 15 * MINUTE);
    afterAll(async () => {
      await docker?.stop();
      await rm(folder, { recursive: true, force: true });
    }, MINUTE);

    it(
      'are started by the first lines of the file, and let hosts in under the name of .env',
      async () => {
        const answers = await docker.shell(
          (await firstLines(project())).replace('&&', '&& sed -i s/cp.example/127.0.0.1/ .env &&'),
          project(),
        );
        const { adminToken } = JSON.parse(answers.trim().split('\n').at(-1) ?? '') as {
          adminToken: string;
        };
        await compose(`cp control-plane:${DATA}/pki/ca.pem ca.pem`);
        environment = {
          HOSTWARD_URL: 'https://127.0.0.1:7443',
          HOSTWARD_CA: join(project(), 'ca.pem'),
          HOSTWARD_TOKEN: adminToken,
        };
        await ready();
        expect(await changesReach(HOSTS)).toBe(HOSTS);
        expect(await names()).toHaveLength(HOSTS);
      },
      5 * MINUTE,
    );

    it(
      'come back when each is killed, with the hosts that they had',
      async () => {
        const before = await names();
        await compose('kill');
        await compose('up --detach');
        await ready();
        expect(await names()).toEqual(before);
      },
      5 * MINUTE,
    );

    it(
      'come back after days, when every certificate has ended',
      async () => {
        await compose('down');
        await writeFile(join(project(), 'end.sh'), ENDS);
        await compose('run --rm -T init sh -es < end.sh');
        await compose('up --detach');
        await ready();
        expect(await changesReach(1)).toBe(1);
      },
      5 * MINUTE,
    );

    it(
      'take another version of the package, with the hosts that they had',
      async () => {
        const before = await names();
        await packaged('newer', NEWER);
        await cp(
          join(folder, `newer/hostward_${NEWER}_amd64.deb`),
          join(project(), 'hostward.deb'),
        );
        await compose('build init');
        await compose('up --detach');
        await ready();
        const installed =
          "exec -T control-plane dpkg-query --show --showformat '${Version}' hostward";
        expect(await compose(installed)).toBe(NEWER);
        expect(await names()).toEqual(before);
        expect(await changesReach(1)).toBe(1);
      },
      10 * MINUTE,
    );

    it(
      'are backed up and go at once',
      async () => {
        const backup = `${DATA}/monday.backup`;
        await compose(
          `exec -T control-plane hostward-control-plane backup --config ${DATA}/control-plane.yaml --out ${backup}`,
        );
        await compose(`cp control-plane:${backup} .`);
        expect(await readdir(project())).toContain('monday.backup');
        await compose('down --volumes');
        expect(await docker.shell('docker ps --all --quiet; docker volume ls --quiet')).toBe('');
      },
      2 * MINUTE,
    );

    const packaged = async (to: string, version?: string): Promise<void> => {
      const words = version === undefined ? [] : ['--package-version', version];
      await runPackage(['hostward', '--out', join(folder, to), ...words], 24 * MINUTE);
    };

    const ready = (): Promise<unknown> =>
      eventually('readyz', MINUTE, async () => {
        const url = 'https://127.0.0.1:7443/readyz';
        return docker.inside(['curl', '-fsS', '--cacert', environment['HOSTWARD_CA'] ?? '', url]);
      });

    const names = async (): Promise<string[]> =>
      (await hostward('get', 'nodes', '-o', 'name')).trim().split('\n').toSorted();

    /** Lets so many simulated hosts in, and gives how many of them have said that they took every change. */
    async function changesReach(hosts: number): Promise<number> {
      const flags = [`--nodes=${hosts}`, '--processes=1', '--duration=8s', '--change-every=3s'];
      const report = await hostward('sim', ...flags, '--keep', '--json');
      const { enrolled, changes } = JSON.parse(report) as SimReport;
      expect(changes.length).toBeGreaterThan(0);
      for (const change of changes) expect(change).toMatchObject({ hosts, failed: 0, missing: 0 });
      return enrolled;
    }
  },
);

/** The commands that compose.yaml begins with, as one script. */
async function firstLines(project: string): Promise<string> {
  const text = await readFile(join(project, 'compose.yaml'), 'utf8');
  const comment = text.slice(0, text.indexOf('\nname:')).split('\n');
  const commands = comment.filter((line) => /^# {3}(cp|docker compose (build|up)) /.test(line));
  return commands.map((line) => line.replace(/^# +/, '')).join('\n');
}

/** Debian 13 as the registry would give it, but for what the image is to install. */
async function baseImage(folder: string): Promise<string> {
  const { sources, options } = await readAptOrigin('trixie');
  const file = join(folder, 'base.tar');
  const lists = sources.map((_, i) => join(folder, `origin-${i}.sources`));
  await Promise.all(sources.map((text, i) => writeFile(lists[i] ?? '', text)));
  const args = ['--variant=minbase', `--include=${INSTALLED}`];
  args.push(...options.map((option) => `--aptopt=${option}`), 'trixie', file, ...lists);
  await run('mmdebstrap', args, { timeout: 25 * MINUTE, maxBuffer: 16 * 1024 * 1024 });
  return file;
}
