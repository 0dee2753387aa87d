import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const SETUP = new URL('../../../../packaging/hostward-agent/lib/setup.sh', import.meta.url);
const UPGRADE = new URL('../../../../packaging/hostward-agent/lib/upgrade.sh', import.meta.url);
const OFFBOARD = new URL('../../../../tools/host/offboard.sh', import.meta.url);
const debian = (name: string): URL =>
  new URL(`../../../../packaging/hostward-agent/debian/${name}`, import.meta.url);
const PREINST = debian('preinst');
const POSTINST = debian('postinst');
const POSTRM = debian('postrm');
const UNIT = new URL(
  '../../../../libs/sensor/native/systemd/hostward-sensor.service',
  import.meta.url,
);
const UNINSTALL = new URL('../../../../tools/host/uninstall.sh', import.meta.url);
const DROPIN = 'systemd/system/web.service.d/50-hostward.conf';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-removal-'));
  put('etc/hostward/keep-enforcing', '');
  put('run/systemd/system/x', '');
  put('var/lib/hostward/sensor/snapshot', '');
  // Who is called, in order.
  for (const name of [
    'bin/systemctl',
    'bin/systemd-sysusers',
    'bin/systemd-tmpfiles',
    'usr/lib/hostward/upgrade.sh',
  ])
    put(name, `#!/bin/sh\necho "\${0##*/} $*" >>${folder}/calls\n`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text, { mode: 0o755 });
}

/** The script with a folder in the place of the host's. */
function moved(file: URL): string {
  return readFileSync(file, 'utf8')
    .replaceAll(/(?<=[\s=":'])\/(etc|run|usr\/lib|var\/lib|sys|proc)\//g, `${folder}/$1/`)
    .replace('PATH=', `PATH=${folder}/bin:`);
}

/** A script of such a host; its last part is what the host is asked. */
function ask(file: URL, end: RegExp, request: string): string {
  const functions = moved(file).replace(end, '');
  const asked = spawnSync('/bin/sh', ['-c', `${functions}\n${request}\n`], { encoding: 'utf8' });
  expect([asked.status, asked.stderr]).toEqual([0, '']);
  return asked.stdout;
}

/** The whole script, as it is called; programs of the folder go first. */
function call(file: URL, ...args: string[]): { status: number | null; stderr: string } {
  const env = { PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` };
  return spawnSync('/bin/sh', ['-c', moved(file), 'sh', ...args], { env, encoding: 'utf8' });
}

const calls = (): string[] => readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n');
const has = (name: string): boolean => existsSync(join(folder, name));

describe('a package that goes and leaves what is enforced until the next boot', () => {
  const setup = (request: string): string => ask(SETUP, /^case "\$\{1-\}" in\n[^]*$/m, request);

  it('takes the profile off units by then, and gives it back where it is installed again', () => {
    put(`etc/${DROPIN}`, '[Service]\nAppArmorProfile=-hostward\n');
    setup('remove');
    expect([has(`etc/${DROPIN}`), has(`run/${DROPIN}`)]).toEqual([false, true]);
    expect(has(dirname(`etc/${DROPIN}`))).toBe(false);
    expect(calls().at(-1)).toBe('systemctl daemon-reload');
    setup('configure no-start');
    expect([has(`etc/${DROPIN}`), has(`run/${DROPIN}`)]).toEqual([true, false]);
  });
});

describe('a package that comes back', () => {
  const ENABLES = expect.stringMatching(/^systemctl enable .*hostward-early.service/);
  const configure = (how = 'no-start'): string[] => {
    ask(SETUP, /^case "\$\{1-\}" in\n[^]*$/m, `configure ${how}`);
    return calls();
  };

  it('enables its units on a host that was offboarded, as on a new one', () => {
    expect(configure()).toContainEqual(ENABLES);
  });

  it('leaves units alone that somebody disabled on a host with an identity', () => {
    put('var/lib/hostward/trust/node-id', '');
    put('etc/hostward/agent.yaml', '');
    put('var/lib/hostward/agent/signing.key', '');
    expect(configure()).not.toContainEqual(ENABLES);
  });

  it('leaves a host autonomous that was: without an agent, and with what tells that its boots were healthy', () => {
    put('var/lib/hostward/trust/node-id', '');
    put('etc/hostward/agent.yaml', '');
    put('var/lib/hostward/removed', '');
    put('usr/lib/hostward/hostward-sensor', `#!/bin/sh\necho "\${0##*/} $*" >>${folder}/calls\n`);
    const called = configure('');
    expect(called).toContainEqual(ENABLES);
    expect(called).toContain(
      'systemctl --quiet add-wants multi-user.target hostward-autonomous.service',
    );
    expect(called.slice(-2)).toEqual([
      'systemctl start hostward-sensor.service',
      'hostward-sensor resume',
    ]);
    expect(called.filter((call) => call.includes('hostward-agent.service'))).toEqual([]);
  });

  it('has the agent of a host with its keys started again, and tells of no boot that it was healthy', () => {
    for (const name of ['trust/node-id', 'agent/signing.key', 'removed'])
      put(`var/lib/hostward/${name}`, '');
    put('etc/hostward/agent.yaml', '');
    put('usr/lib/hostward/hostward-sensor', '#!/bin/sh\n');
    const called = configure('');
    expect(called.at(-1)).toBe('systemctl start hostward-agent.service');
    expect(called.filter((call) => call.includes('autonomous'))).toEqual([]);
  });

  describe('whose rules were ended with it', () => {
    const sensor = (exit: number): void =>
      put(
        'usr/lib/hostward/hostward-sensor',
        `#!/bin/sh\necho "\${0##*/} $*" >>${folder}/calls\nexit ${exit}\n`,
      );
    beforeEach(() => {
      for (const name of ['trust/node-id', 'agent/signing.key', 'removed'])
        put(`var/lib/hostward/${name}`, '');
      put('etc/hostward/agent.yaml', '');
      put('calls', '');
    });

    it.each([0, 3])('enforces them again, and only then forgets that it was gone (%i)', (exit) => {
      sensor(exit);
      expect(configure('')).toContain('hostward-sensor resume');
      expect(has('var/lib/hostward/removed')).toBe(false);
    });

    it('tries again at each start of the sensor where it could not, or where nothing was started', () => {
      sensor(1);
      const asked = call(SETUP, 'configure');
      expect([asked.status, asked.stderr]).toEqual([
        0,
        expect.stringMatching(/^hostward: its rules are not in force yet: .*tries again/m),
      ]);
      expect(has('var/lib/hostward/removed')).toBe(true);
      configure('no-start');
      expect(has('var/lib/hostward/removed')).toBe(true);
      expect(call(SETUP, 'resume').status).toBe(1);
      sensor(0);
      expect(call(SETUP, 'resume').status).toBe(0);
      expect(has('var/lib/hostward/removed')).toBe(false);
      const { length } = calls();
      expect(call(SETUP, 'resume').status).toBe(0);
      expect(calls()).toHaveLength(length);
    });

    it('forgets it at once where the host has no identity any more', () => {
      rmSync(join(folder, 'var/lib/hostward/trust/node-id'));
      sensor(0);
      expect(configure('no-start')).not.toContain('hostward-sensor resume');
      expect(has('var/lib/hostward/removed')).toBe(false);
    });

    it('is what the unit of the sensor asks for', () => {
      const unit = readFileSync(UNIT, 'utf8');
      expect(unit).toMatch(/^ExecStartPost=-\/usr\/lib\/hostward\/setup\.sh resume$/m);
    });
  });

  it('leaves what names its profile to the boot where there is no rule set to load by then', () => {
    put(`run/${DROPIN}`, '[Service]\nAppArmorProfile=-hostward\n');
    rmSync(join(folder, 'var/lib/hostward/sensor/snapshot'));
    ask(SETUP, /^case "\$\{1-\}" in\n[^]*$/m, 'configure no-start');
    expect([has(`etc/${DROPIN}`), has(`run/${DROPIN}`)]).toEqual([false, true]);
  });
});

describe('a host that becomes autonomous', () => {
  it('has nothing that would start its agent again, as an upgrade that is judged does', () => {
    ask(OFFBOARD, /^main "\$@"\n$/m, 'stay_enforcing');
    expect(calls()[0]).toBe('upgrade.sh forget');
  });
});

describe('an upgrade that is judged', () => {
  const isAtWork = (): string =>
    ask(
      UPGRADE,
      /^case "\$\{1-\}" in\n[^]*$/m,
      'if is_dpkg_at_work; then echo yes; else echo no; fi',
    );

  it('knows whether dpkg is at work on a host without pgrep', () => {
    put('proc/7/comm', 'dpkg-query\n');
    expect(isAtWork()).toBe('no\n');
    put('proc/8/comm', 'dpkg\n');
    expect(isAtWork()).toBe('yes\n');
  });

  describe('by what runs now', () => {
    const SENSOR = 'usr/lib/hostward/hostward-sensor';
    const PENDING = 'var/lib/hostward/upgrade/pending';

    beforeEach(() => {
      const pending = { from: '0.1.0', to: '0.2.0', installer: '', reports: 'yes' };
      for (const [name, text] of Object.entries(pending)) put(join(PENDING, name), `${text}\n`);
      for (const name of ['var/lib/hostward/trust/node-id', 'etc/hostward/agent.yaml', 'run/x'])
        put(name, '');
      for (const name of ['etc/x', 'usr/x']) mkdirSync(dirname(kept(name)), { recursive: true });
      put('bin/dpkg-query', '#!/bin/sh\ncase "$*" in *db:Status*) echo installed ;; esac\n');
      put('usr/lib/hostward/setup.sh', '#!/bin/sh\n');
      put(SENSOR, '#!/bin/sh\n');
    });
    const kept = (name: string): string => join(folder, 'usr/lib/hostward-previous', name);

    /** One look, so many seconds after the boot, at an agent that has reported and lacks what is named. */
    function look(uptimeS: number, pid: number, ...lacks: readonly string[]): string {
      put('proc/uptime', `${uptimeS}.00 1.00\n`);
      put(
        'bin/systemctl',
        `#!/bin/sh\ncase "$*" in *MainPID*) echo ${pid} ;; *show*) echo 0 ;; esac\n`,
      );
      const health = {
        conditions: lacks.map((name) => ({ name })),
        agent: { pid, v: 1 },
        reports: 3,
      };
      put('var/lib/hostward/agent/health.json', JSON.stringify(health, null, 2));
      expect(call(UPGRADE, 'judge').status).toBe(0);
      if (has(PENDING)) return 'awaited';
      return has('var/lib/hostward/upgrade/rolled-back.json') ? 'taken back' : 'accepted';
    }

    it('is accepted for having reported, though Redis is away from time to time after it', () => {
      const looks = [look(100, 7, 'redis'), look(110, 7), look(120, 7, 'report'), look(131, 7)];
      expect(looks).toEqual(['awaited', 'awaited', 'awaited', 'accepted']);
    });

    it('is looked at though the agent has made a pipe of what it says, which nobody writes to', () => {
      look(100, 7);
      rmSync(join(folder, 'var/lib/hostward/agent/health.json'));
      spawnSync('mkfifo', [join(folder, 'var/lib/hostward/agent/health.json')]);
      const since = performance.now();
      expect(call(UPGRADE, 'judge').status).toBe(0);
      expect(performance.now() - since).toBeLessThan(60_000);
      expect(has(PENDING)).toBe(true);
    });

    /** A look every ten seconds. */
    const looks = (count: number, fromS: number, ...of: readonly [number, ...string[]]): string[] =>
      Array.from({ length: count }, (_, i) => look(fromS + 10 * i, ...of));

    it('is taken back when it has not reported for three minutes, counted anew where it had', () => {
      expect(new Set(looks(18, 100, 7, 'redis'))).toEqual(new Set(['awaited']));
      expect([look(280, 7), ...looks(18, 290, 8, 'redis')]).not.toContain('taken back');
      expect(look(470, 8, 'redis')).toBe('taken back');
      const word = readFileSync(join(folder, 'var/lib/hostward/upgrade/rolled-back.json'), 'utf8');
      expect(word).toMatch(
        /"from":"0.2.0","to":"0.1.0",.*"the agent does not report, as it did before, for 180 s/,
      );
    });

    it('has its three minutes in looks, which come late where the host is too busy to start it in time', () => {
      expect([look(100, 7, 'redis'), look(900, 7, 'redis')]).toEqual(['awaited', 'awaited']);
    });

    it('is not accepted while the agent does not get on with the sensor', () => {
      expect([look(100, 7), look(125, 7, 'sensor'), look(135, 7)]).not.toContain('accepted');
    });

    it('is taken back when all is well now and then only', () => {
      const state = join(folder, 'run/hostward-upgrade/in-all');
      expect([look(100, 7), look(110, 7, 'sensor')]).toEqual(['awaited', 'awaited']);
      expect(readFileSync(state, 'utf8')).toBe('1\n');
      writeFileSync(state, '179\n');
      expect([look(120, 7), look(130, 7, 'sensor')]).toEqual(['awaited', 'awaited']);
      expect([look(140, 7), look(150, 7, 'sensor')]).toEqual(['awaited', 'taken back']);
    });

    it('is not accepted while the sensor does not answer', () => {
      expect([look(100, 7), look(110, 7)]).toEqual(['awaited', 'awaited']);
      put(SENSOR, '#!/bin/sh\nexit 1\n');
      expect(new Set(looks(18, 125, 7))).toEqual(new Set(['awaited']));
      expect(look(305, 7)).toBe('taken back');
    });
  });
});

describe('what install.sh put there', () => {
  const LIBRARY = 'usr/lib/hostward';
  const KEY = 'var/lib/hostward/agent/signing.key';
  const PACKAGE = ['setup.sh', 'lib/libc', 'offboard.sh', 'node', 'upgrade.sh'].map(
    (name) => `${LIBRARY}/${name}`,
  );
  const uninstall = (...args: string[]) => call(UNINSTALL, ...args).status;

  beforeEach(() => {
    put('bin/id', '#!/bin/sh\necho 0\n');
    put('bin/dpkg-query', '#!/bin/sh\nexit 1\n');
    put('bin/getent', '#!/bin/sh\nexit 2\n');
    put(`${LIBRARY}/setup.sh`, `#!/bin/sh\necho "setup.sh $*" >>${folder}/calls\n`);
    for (const name of ['lib/libc', 'offboard.sh', 'node', 'uninstall.sh'])
      put(`${LIBRARY}/${name}`, '');
    put(KEY, '');
    // From the root of the file system, without its slash.
    put(`${LIBRARY}/INSTALLED`, PACKAGE.map((name) => `${folder.slice(1)}/${name}\n`).join(''));
  });

  /** Where dpkg has the package: half installed in preinst, whole behind it. */
  function packaged(status: string, ...files: readonly string[]): void {
    put(
      'bin/dpkg-query',
      `#!/bin/sh
case "$*" in
  *db:Status*) echo ${status} ;;
  '-W -f \${Version} hostward-agent') echo 0.2.0 ;;
  '-L hostward-agent') printf '%s\\n' ${folder} ${files.map((name) => join(folder, name)).join(' ')} ;;
esac
`,
    );
  }
  const ARCHIVE_ALONE = ['VERSION', 'uninstall.sh', 'INSTALLED'].map(
    (name) => `${LIBRARY}/${name}`,
  );
  /** Of another version than the package, too. */
  const installedBefore = (): void => {
    for (const name of ['VERSION', 'early.sh', 'INSTALLED.new']) put(`${LIBRARY}/${name}`, '');
    const names = [...PACKAGE, `${LIBRARY}/VERSION`, `${LIBRARY}/early.sh`].toSorted();
    put(`${LIBRARY}/INSTALLED`, names.map((name) => `${folder.slice(1)}/${name}\n`).join(''));
  };

  it('is kept when a package comes over it, by the version that comes, and is all that is here then', () => {
    installedBefore();
    packaged('half-installed');
    expect(call(PREINST, 'install')).toMatchObject({ status: 0, stderr: '' });
    expect(calls()).toEqual(['upgrade.sh keep - 0.2.0']);
    const here = (): string[] =>
      ask(UPGRADE, /^case "\$\{1-\}" in\n[^]*$/m, 'is_packaged || installed').split('\n');
    const files = [...PACKAGE, ...ARCHIVE_ALONE, `${LIBRARY}/early.sh`].toSorted();
    expect(here()).toEqual([...files.map((name) => `${folder.slice(1)}/${name}`), '']);
  });

  it('is not looked for where a package comes to a host without it', () => {
    rmSync(join(folder, LIBRARY, 'INSTALLED'));
    expect(call(PREINST, 'install')).toMatchObject({ status: 0, stderr: '' });
    expect(has('calls')).toBe(false);
  });

  it('becomes the files of a package that came over it, whose units are restarted as by an upgrade', () => {
    installedBefore();
    packaged('half-configured', ...PACKAGE);
    expect(call(POSTINST, 'configure', '')).toMatchObject({ status: 0, stderr: '' });
    expect(calls()).toEqual(['setup.sh configure']);
    expect(PACKAGE.filter((name) => !has(name))).toEqual([]);
    const gone = [...ARCHIVE_ALONE, `${LIBRARY}/INSTALLED.new`, `${LIBRARY}/early.sh`];
    expect(gone.filter(has)).toEqual([]);
    expect(call(POSTINST, 'configure', '')).toMatchObject({ status: 0, stderr: '' });
    expect(calls().at(-1)).toBe('setup.sh configure first');
  });

  it('is left alone by its uninstall.sh where it is a package by now', () => {
    packaged('installed');
    expect(call(UNINSTALL)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('the package hostward-agent is installed'),
    });
    expect([has(`${LIBRARY}/node`), has('calls')]).toEqual([true, false]);
  });

  it('goes with a package from which the host went back to it', () => {
    installedBefore();
    for (const name of PACKAGE) rmSync(join(folder, name));
    put('bin/systemctl', '#!/bin/sh\n');
    expect(call(POSTRM, 'remove')).toMatchObject({ status: 0, stderr: '' });
    expect(has(LIBRARY)).toBe(false);
  });

  it('is taken away whole by a run after one that was broken off, which ends enforcement once', () => {
    rmSync(join(folder, LIBRARY, 'node'));
    // What cannot be removed breaks it off.
    put(`${LIBRARY}/node/x`, '');
    expect(uninstall('--purge')).not.toBe(0);
    expect([has(`${LIBRARY}/offboard.sh`), has(`${LIBRARY}/uninstall.sh`), has(KEY)]).toEqual([
      ...[false, true, true],
    ]);
    rmSync(join(folder, LIBRARY, 'node'), { recursive: true });
    expect(uninstall('--purge')).toBe(0);
    expect([has(LIBRARY), has('var/lib/hostward')]).toEqual([false, false]);
    expect(calls().filter((each) => each.startsWith('setup.sh'))).toEqual(['setup.sh remove']);
  });

  it('goes with its keys where others have a file beside it, which stays', () => {
    put(`${LIBRARY}/theirs`, '');
    expect(uninstall('--purge')).toBe(0);
    expect([has(KEY), has(`${LIBRARY}/INSTALLED`), has(`${LIBRARY}/theirs`)]).toEqual([
      ...[false, false, true],
    ]);
  });
});
