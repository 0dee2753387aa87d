import { readFileSync } from 'node:fs';
import { access, appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { compileSample, rejectAs } from './fixtures/scripted-compiler.js';
import {
  enforced,
  envelope,
  eventOf,
  host,
  assignmentVersionOf,
  sensor,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';
import { TAG } from './protocol.js';
import { SensorUnavailableError } from './sensor.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;

useSensorHost();

describe('what a rule set brings to be trusted', () => {
  const trusted = (name: string) => readFile(join(host.dir, 'trust', name), 'utf8');

  it('is on disk before the rule set is in force, and stays where the next one is refused', async () => {
    await host.start();
    await sensor.apply(
      envelope({ generation: 1, root: 'root 2', minimumVersions: 'minimum versions 1' }),
    );
    expect([await trusted('root.json'), await trusted('minimum-versions.json')]).toEqual([
      'root 2',
      'minimum versions 1',
    ]);
    await sensor.apply(envelope({ generation: 3, minimumVersions: 'minimum versions 3' }));
    const stale = sensor.apply(
      envelope({ generation: 2, root: 'root 1', minimumVersions: 'minimum versions 0' }),
    );
    await expect(stale).rejects.toMatchObject({ code: 'stale-assignment-version' });
    expect([await trusted('root.json'), await trusted('minimum-versions.json')]).toEqual([
      'root 2',
      'minimum versions 3',
    ]);
  });

  it('keeps the rule set out where it cannot be written: what is enforced stays', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 1 }));
    const before = await enforced();
    await rm(join(host.dir, 'trust'), { recursive: true });
    const refused = sensor.apply(envelope({ generation: 2, root: 'root 2' }));
    await expect(refused).rejects.toMatchObject({ code: 'trust-not-kept' });
    expect(await enforced()).toEqual(before);
  });
});

describe('applying', () => {
  it('loads what the compiler made, reads it back and keeps it for boot', async () => {
    await host.start();
    const names = ['hostward', 'hostward-src-1'];
    const state = await sensor.apply(envelope({ generation: 5, names }));
    expect(state).toMatchObject({
      enforcer: 'apparmor',
      mode: 'enforce',
      assignmentVersion: assignmentVersionOf(5),
      highest: assignmentVersionOf(5),
      outcome: { ok: true },
      report: Buffer.from('{"v":1}').toString('base64'),
      confirm: { state: 'waiting' },
    });
    expect(state.profiles).toEqual(
      names.map((name) =>
        expect.objectContaining({ name, loaded: true, ok: true, mode: 'enforce' }),
      ),
    );
    expect(Object.keys(await host.kernel())).toEqual(names);
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('tells the compiler what was seen and what is loaded', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await sensor.apply(envelope({ generation: 6 }));
    const [first, second] = host.compiler.requests.map(({ fields }) => ({
      generation: fields.number(TAG.GENERATION),
      names: fields.texts(TAG.LOADED_NAME),
    }));
    expect(first).toEqual({ generation: 0n, names: [] });
    expect(second).toEqual({ generation: 5n, names: ['hostward'] });
  });

  it('is idempotent for what is in force', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await sensor.confirm(assignmentVersionOf(5));
    const before = await enforced();
    expect(await sensor.apply(envelope({ generation: 5 }))).toMatchObject({
      outcome: { ok: true },
      confirm: { state: 'confirmed' },
    });
    expect(await enforced()).toEqual(before);
  });

  it('removes a source that is gone and opens a catch-all that is gone, but never removes that', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, names: ['hostward', 'hostward-src-1'] }));
    await sensor.apply(envelope({ generation: 6 }));
    expect(Object.keys(await host.kernel())).toEqual(['hostward']);
    await sensor.apply(envelope({ generation: 7, names: [] }));
    const kernel = await host.kernel();
    expect(Object.keys(kernel)).toEqual(['hostward']);
    expect(kernel['hostward']).toContain('open-6');
  });

  it('says of a probe that it is inconclusive where the kernel mediates nothing', async () => {
    await host.start();
    const probe = ['read', 'p/file/matchPaths/0', 'hostward', '/etc/hostname'].join('\0');
    const state = await sensor.apply(envelope({ generation: 5, probes: [probe] }));
    expect(state.probes).toEqual([
      {
        kind: 'read',
        rule: 'p/file/matchPaths/0',
        profile: 'hostward',
        path: '/etc/hostname',
        result: 'inconclusive',
        errno: expect.any(Number),
      },
    ]);
  });

  it('answers others while the compiler hangs, and gives it up at the deadline', async () => {
    await host.start();
    host.compiler.script = () => 'hang';
    const applied = sensor.apply(envelope({ generation: 5 }));
    const refused = expect(applied).rejects.toMatchObject({ code: 'compiler-timeout' });
    expect(await host.sensor().status()).toMatchObject({ profiles: [] });
    await refused;
    host.compiler.script = compileSample;
    expect(await sensor.apply(envelope({ generation: 5 }))).toMatchObject({
      outcome: { ok: true },
    });
  });

  it('gives a compilation twice the time after one that had too little, up to eight times, until one needs no more', async () => {
    await host.start();
    const apply = (generation: number) => sensor.apply(envelope({ generation }));
    host.compiler.script = () => 'hang';
    await expect(apply(5)).rejects.toMatchObject({
      code: 'compiler-timeout',
      message: 'the compiler did not answer in time; the next try has 4 s',
    });
    host.compiler.script = rejectAs('compiler-timeout');
    for (let tries = 0; tries < 4; tries++)
      await expect(apply(5)).rejects.toMatchObject({ code: 'compiler-timeout' });
    host.compiler.script = rejectAs('parser-failed');
    await expect(apply(5)).rejects.toMatchObject({ code: 'parser-failed' });
    host.compiler.script = compileSample;
    await apply(5);
    await apply(6);
    const given = host.compiler.requests.map(({ fields }) => Number(fields.number(TAG.TIME_LIMIT)));
    expect(given).toEqual([2000, 4000, 8000, 16_000, 16_000, 16_000, 16_000, 2000]);
  });

  it('goes on giving more where less would be too little', async () => {
    const apply = (generation: number) => sensor.apply(envelope({ generation }));
    await host.start('--compile-timeout', '8000');
    host.compiler.script = rejectAs('compiler-timeout');
    await expect(apply(5)).rejects.toMatchObject({ code: 'compiler-timeout' });
    host.compiler.script = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 4100));
      return compileSample(request);
    };
    await apply(5);
    host.compiler.script = compileSample;
    await apply(6);
    await apply(7);
    const given = host.compiler.requests.map(({ fields }) => Number(fields.number(TAG.TIME_LIMIT)));
    expect(given).toEqual([8000, 16_000, 16_000, 8000]);
  });
});

describe('drift', () => {
  it('is found, recorded and repaired', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    const before = await host.kernel();
    await host.forgetKernel('hostward');
    expect(await eventOf('drift', 1)).toMatchObject({ profile: 'hostward' });
    const state = await stateWhen(({ drift }) => drift[0]?.repairedAt !== undefined);
    expect(state.drift).toEqual([
      {
        what: 'profile hostward was removed',
        detectedAt: expect.any(Number),
        repairedAt: expect.any(Number),
      },
    ]);
    expect(state.profiles).toEqual([expect.objectContaining({ ok: true })]);
    expect(await host.kernel()).toEqual(before);
  });

  it('to another mode is repaired too', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await writeFile(
      join(host.dir, 'security/apparmor/policy/profiles/hostward.1/mode'),
      'complain\n',
    );
    const state = await stateWhen(({ drift }) => drift[0]?.repairedAt !== undefined);
    expect(state.drift[0]?.what).toBe('profile hostward was put into another mode');
    expect(state.profiles[0]).toMatchObject({ mode: 'enforce', ok: true });
  });
});

describe('last known good', () => {
  it('survives kill -9 and is loaded at boot without the daemon', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, names: ['hostward', 'hostward-src-1'] }));
    const before = await host.kernel();
    await host.stop('SIGKILL');
    expect(await host.kernel()).toEqual(before);
    await host.forgetKernel();
    await host.verb('early');
    expect(await host.kernel()).toEqual(before);
    await host.start();
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(5),
      outcome: { ok: true },
    });
  });

  it('takes the place of a snapshot that is cut', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await sensor.confirm(assignmentVersionOf(5));
    await sensor.apply(envelope({ generation: 6 }));
    await host.stop('SIGKILL');
    await truncate(join(host.dir, 'state/snapshot'), 100);
    await host.forgetKernel();
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(5),
      highest: assignmentVersionOf(6),
    });
  });

  it('is loaded in audit after three boots in a row that were not healthy', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, mark: 'same' }));
    await host.stop();
    const boots = join(host.dir, 'state/boots');
    await writeFile(boots, 'another-boot 2\n');
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('enforce-same');
    await writeFile(boots, 'another-boot 3\n');
    expect(await host.verb('early')).toContain('3 boots in a row');
    expect((await host.kernel())['hostward']).toContain('audit-same');
    await host.start();
    const guarded = { mode: 'audit', suspension: { by: 'boot-guard' } };
    expect(await sensor.status()).toMatchObject(guarded);
    await sensor.confirm(assignmentVersionOf(5));
    const renewed = await sensor.apply(envelope({ generation: 6, mark: 'same' }));
    expect(renewed).toMatchObject(guarded);
    expect((await host.kernel())['hostward']).toContain('audit-same');
    await sensor.apply(envelope({ generation: 7 }));
    expect((await host.kernel())['hostward']).toContain('enforce-7');
  });

  it('is loaded as ever after boots of a minute, each of which led to the control plane', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, mark: 'same' }));
    await sensor.confirm(assignmentVersionOf(5));
    const boots = join(host.dir, 'state/boots');
    const counted = () => readFileSync(boots, 'utf8').trim().split(' ')[1];
    for (let boot = 0; boot < 5; boot += 1) {
      await host.stop();
      await writeFile(boots, `another-boot ${boot === 0 ? 2 : 0}\n`);
      await host.verb('early');
      expect((await host.kernel())['hostward']).toContain('enforce-same');
      await host.start();
      expect(counted()).toBe(boot === 0 ? '3' : '1');
      await sensor.confirm(assignmentVersionOf(5));
      await stateWhen(() => counted() === '0');
    }
  });

  it('stays in audit where a boot led to the control plane in audit alone', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, mark: 'same' }));
    await sensor.confirm(assignmentVersionOf(5));
    await host.stop();
    const boots = join(host.dir, 'state/boots');
    await writeFile(boots, 'another-boot 3\n');
    await host.verb('early');
    await host.start();
    await sensor.confirm(assignmentVersionOf(5));
    await sensor.status();
    expect(await readFile(boots, 'utf8')).toMatch(/ 4$/m);
    expect((await host.kernel())['hostward']).toContain('audit-same');
  });

  it('early boot never fails, whatever it finds', async () => {
    expect(await host.verb('early')).toContain('nothing to load');
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.stop();
    await rm(join(host.dir, 'security'), { recursive: true });
    expect(await host.verb('early')).toContain('no AppArmor');
    await writeFile(join(host.dir, 'state/snapshot'), 'rubbish');
    await writeFile(join(host.dir, 'state/memory'), 'rubbish');
    expect(await host.verb('early')).toContain('the snapshot cannot be read');
  });
});

describe('commit-confirm', () => {
  it('without a denial of our own an outage opens nothing: unconfirmed, and it stays', async () => {
    await host.start('--confirm-timeout', '200');
    await sensor.apply(envelope({ generation: 5 }));
    await sensor.confirm(assignmentVersionOf(5));
    await sensor.apply(envelope({ generation: 6 }));
    const state = await stateWhen(({ confirm }) => confirm?.state !== 'waiting');
    expect(state).toMatchObject({
      confirm: { state: 'unconfirmed' },
      assignmentVersion: assignmentVersionOf(6),
    });
    expect((await host.kernel())['hostward']).toContain('enforce-6');
    await sensor.confirm(assignmentVersionOf(6));
    expect(await sensor.status()).toMatchObject({ confirm: { state: 'confirmed' } });
  });

  it('refuses to confirm what is not in force', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await expect(sensor.confirm(assignmentVersionOf(4))).rejects.toMatchObject({
      code: 'not-in-force',
    });
  });
});

describe('the client', () => {
  it('resumes events where it was, over a restart of the daemon', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    const first = await eventOf('loaded', 1);
    await host.stop('SIGKILL');
    await host.start();
    await sensor.apply(envelope({ generation: 6 }));
    const next = await eventOf('loaded', first.seq);
    expect(next.seq).toBeGreaterThan(first.seq);
    expect(next.info).toBe('6'.padStart(64, '0'));
    expect(await eventOf('loaded', 1)).toEqual(first);
  });

  it('is told what came after a line of the journal that was cut, and nothing of that line', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    const first = await eventOf('loaded', 1);
    await host.stop('SIGKILL');
    const cut = `{"seq":${first.seq + 1},"time":${first.time},"type":"loaded","info":"{}`;
    await appendFile(join(host.dir, 'state/journal'), cut);
    await host.start();
    await sensor.apply(envelope({ generation: 6 }));
    await host.stop('SIGKILL');
    await host.start();
    const next = await eventOf('loaded', first.seq);
    expect(next.info).toBe('6'.padStart(64, '0'));
    expect(await readFile(join(host.dir, 'state/journal'), 'utf8')).toContain(`${cut}\n{`);
  });

  it('says that the sensor is away, and connects again when it is back', async () => {
    await expect(sensor.status()).rejects.toThrow(SensorUnavailableError);
    await host.start();
    expect((await sensor.hello()).version).toMatch(/^\d/);
    await host.stop();
    await expect(sensor.status()).rejects.toThrow(SensorUnavailableError);
    await host.start();
    expect(await sensor.status()).toMatchObject({ abi: 1 });
  });

  it('ends a stream of events when told to', async () => {
    await host.start();
    const stop = new AbortController();
    const stream = sensor.events(0, stop.signal);
    const next = stream.next();
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('a host whose audit stream cannot be read', () => {
  asRoot('takes a rule set and says so (needs root)', async () => {
    await host.startWithout('audit_read');
    expect(await sensor.apply(envelope({ generation: 5 }))).toMatchObject({
      auditListening: false,
    });
    expect(await host.openFile(0)).toBe('/dev/null'); // no file of the daemon's own took the place of stdin
  });
});

describe('a host without AppArmor', () => {
  it('takes a rule set, loads nothing and says so', async () => {
    await rm(join(host.dir, 'security/apparmor'), { recursive: true });
    await host.start();
    const state = await sensor.apply(envelope({ generation: 5 }));
    expect(state).toMatchObject({
      enforcer: 'none',
      profiles: [],
      assignmentVersion: assignmentVersionOf(5),
    });
    await expect(access(join(host.dir, 'security/apparmor'))).rejects.toThrow();
  });
});
