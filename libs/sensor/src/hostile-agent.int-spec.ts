import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants } from 'node:os';
import { execPath } from 'node:process';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { skipped, whyNoDeadMount } from './fixtures/private-mounts.js';
import { sampleFields, type SampleTable } from './fixtures/sample-policy.js';
import { compileSample, rejectAs } from './fixtures/scripted-compiler.js';
import { RawClient } from './fixtures/sensor-host.js';
import {
  enforced,
  envelope,
  host,
  assignmentVersionOf,
  sensor,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';
import { encodeFrame, MAX_FRAME_BYTES, MSG, numberField, TAG, textField } from './protocol.js';
import { SensorRefusedError } from './sensor.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;

useSensorHost();

describe('a hostile agent changes nothing', () => {
  const foreign: SampleTable = { generation: 9, names: ['hostward', '/usr/sbin/mysqld'] };
  const hidden: SampleTable = { generation: 9, blobNames: ['hostward-sensor'] };

  beforeEach(async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'an older envelope',
      () => sensor.apply(envelope({ generation: 4 })),
      'stale-assignment-version',
    ],
    [
      'another envelope of the same assignment version',
      () => sensor.apply(envelope({ generation: 5, digest: 'ff' })),
      'conflicting-assignment-version',
    ],
    ['profiles of others', () => sensor.apply(envelope(foreign)), 'compiler-malformed'],
    ['profiles of others, hidden', () => sensor.apply(envelope(hidden)), 'compiler-malformed'],
  ])('with %s', async (_what, attack, code) => {
    const before = await enforced();
    await expect(attack()).rejects.toEqual(expect.objectContaining({ code }));
    expect(await enforced()).toEqual(before);
  });

  it('with an invented envelope, which the compiler rejects', async () => {
    const before = await enforced();
    host.compiler.script = rejectAs('bad-signature');
    await expect(sensor.apply(Buffer.from('invented'))).rejects.toThrow(SensorRefusedError);
    await expect(sensor.apply(Buffer.alloc(0))).rejects.toMatchObject({ code: 'bad-signature' });
    expect(await enforced()).toEqual(before);
  });

  it('with an envelope at which the compiler breaks', async () => {
    const before = await enforced();
    const whole = compileSample;
    host.compiler.script = (request) => whole(request).subarray(0, 200);
    await expect(sensor.apply(envelope({ generation: 9 }))).rejects.toMatchObject({
      code: 'compiler-failed',
    });
    host.compiler.script = () => 'close';
    await expect(sensor.apply(envelope({ generation: 9 }))).rejects.toMatchObject({
      code: 'compiler-failed',
    });
    host.compiler.script = () => Buffer.from('GET / HTTP/1.1\r\n\r\n');
    await expect(sensor.apply(envelope({ generation: 9 }))).rejects.toMatchObject({
      code: 'compiler-malformed',
    });
    expect(await enforced()).toEqual(before);
  });

  it('with garbage and half frames, which cost only its own connection', async () => {
    const before = await enforced();
    const bystander = await host.sensor().status();
    const whole = encodeFrame(MSG.APPLY, 1, [
      textField(TAG.ENVELOPE, JSON.stringify({ generation: 9 })),
    ]);
    const large = encodeFrame(MSG.STATUS, 1, [textField(TAG.REASON, 'x'.repeat(70_000))]);
    const unknown = encodeFrame(MSG.COMPILED, 1, []);
    for (const bytes of [
      Buffer.from('garbage that is no frame'),
      whole.subarray(0, 30),
      large,
      unknown,
    ]) {
      const client = await RawClient.connect(host.socket);
      client.send(bytes);
      await client.closed;
    }
    expect(await sensor.status()).toMatchObject({ profiles: bystander.profiles });
    expect(await enforced()).toEqual(before);
  });

  it('with questions whose answers it does not take: they wait, in little memory, and others are served', async () => {
    const client = await RawClient.connect(host.socket);
    await sensor.apply(envelope({ generation: 6, reportBytes: 200_000 }));
    const before = await host.residentKiB();
    client.pause();
    client.send(Buffer.concat(Array(4_000).fill(encodeFrame(MSG.STATUS, 1, []))));
    for (let asked = 0; asked < 20; asked += 1)
      expect(await sensor.status()).toMatchObject({ assignmentVersion: assignmentVersionOf(6) });
    expect((await host.residentKiB()) - before).toBeLessThan(64 * 1024);
    client.destroy();
  });

  it('with more envelopes than there is room for: it is told so, and the block is proved all the same', async () => {
    const before = await enforced();
    host.compiler.script = () => 'hang';
    const client = await RawClient.connect(host.socket);
    const whole = encodeFrame(MSG.APPLY, 1, [
      textField(TAG.ENVELOPE, JSON.stringify({ generation: 9 })),
    ]);
    client.send(Buffer.concat(Array(20).fill(whole)));
    expect((await client.answer()).fields.text(TAG.CODE)).toBe('busy');
    client.destroy();
    expect(await sensor.status()).toMatchObject({ assignmentVersion: assignmentVersionOf(5) });
    expect(await enforced()).toEqual(before);
  });

  it('with one question behind the other, without an end: an exception ends all the same', async () => {
    const probes = [['read', 'p/r', 'hostward', '/etc/hostname'].join('\0')];
    await sensor.apply(envelope({ generation: 6, probes, validUntil: Date.now() + 1_000 }));
    await sensor.confirm(assignmentVersionOf(6));
    host.compiler.script = (request) => {
      const table = JSON.parse(request.fields.text(TAG.ENVELOPE) ?? '') as SampleTable;
      const ended = { ...table, mark: 'ended', validUntil: undefined };
      return encodeFrame(MSG.COMPILED, request.request, sampleFields(ended));
    };
    const client = await RawClient.connect(host.socket);
    const question = encodeFrame(MSG.RECHECK, 1, []);
    client.send(Buffer.concat(Array(6).fill(question)));
    const end = AbortSignal.timeout(20_000);
    while (!(await host.kernel())['hostward']?.includes('enforce-ended')) {
      if (end.aborted) throw new Error(`it does not end: ${host.log}`);
      await client.answer();
      client.send(question);
    }
    client.destroy();
  });

  it('with a profile set that the kernel refuses', async () => {
    const before = await enforced();
    await writeFile(join(host.dir, 'security/apparmor/refuse'), '');
    await expect(sensor.apply(envelope({ generation: 9 }))).rejects.toMatchObject({
      code: 'load-failed',
    });
    expect(await enforced()).toEqual(before);
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(5),
      highest: assignmentVersionOf(5),
    });
  });

  it('after a restart either: the highest assignment version is remembered', async () => {
    await host.stop('SIGKILL');
    await host.start();
    await expect(sensor.apply(envelope({ generation: 4 }))).rejects.toMatchObject({
      code: 'stale-assignment-version',
    });
  });
});

const noDeadMount = whyNoDeadMount();
(noDeadMount ? describe.skip : describe)(
  `a rule on a filesystem that does not answer${skipped(noDeadMount)}`,
  () => {
    const probeOf = (path: string) => ['read', `p/${path}`, 'hostward', path].join('\0');
    let far = '';

    beforeEach(async () => {
      host.deadMount = join(host.dir, 'dead');
      await mkdir(host.deadMount);
      far = join(host.deadMount, 'file');
      await host.start();
    });

    it('holds no answer up: its probe is given up at the deadline, and no process of it stays', async () => {
      const probes = ['/etc/hostname', far, '/etc/passwd'].map(probeOf);
      for (const generation of [5, 6]) {
        const { probes: answers } = await sensor.apply(envelope({ generation, probes }));
        expect(answers).toMatchObject([
          { path: '/etc/hostname', result: 'inconclusive' },
          { path: far, result: 'inconclusive', errno: constants.errno.ETIMEDOUT },
          { path: '/etc/passwd', result: 'inconclusive', errno: constants.errno.ETIMEDOUT },
        ]);
        expect(answers[0]?.errno).not.toBe(constants.errno.ETIMEDOUT);
      }
      expect(host.log).toContain(`path=${far}`);
      expect(await host.children('hostward-probe')).toHaveLength(2); // the kernel holds them, killed or not
      await host.endDeadMount();
      const end = AbortSignal.timeout(90_000);
      while ((await host.children('hostward-probe')).length > 0) {
        expect(end.aborted).toBe(false);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, 300_000);

    it('does not keep the sensor from ending', async () => {
      await sensor.apply(envelope({ generation: 5, probes: [probeOf(far)] }));
      expect(await host.children('hostward-probe')).toHaveLength(1);
      await host.stop();
    }, 300_000);
  },
);

/** Runs a client under another user id: prints what the answer was. */
function asUser(uid: number, type: number, socket: string): string {
  const program = `
    const s = require('node:net').connect(${JSON.stringify(socket)});
    const b = Buffer.from(process.argv[1], 'hex');
    s.on('connect', () => s.write(b)).on('error', (e) => console.log(e.code));
    s.on('data', (d) => { console.log('message ' + d.readUInt16LE(6)); s.destroy(); });
    s.on('close', () => console.log('closed'));`;
  const fields =
    type === MSG.SUSPEND
      ? [
          textField(TAG.MODE, 'off'),
          numberField(TAG.UNTIL, Date.now() + 60_000),
          textField(TAG.REASON, 'x'),
        ]
      : [];
  const hex = Buffer.from(
    encodeFrame(MSG.STATUS === type ? MSG.STATUS : MSG.SUSPEND, 1, fields),
  ).toString('hex');
  return spawnSync(execPath, ['-e', program, hex], {
    uid,
    gid: uid,
    encoding: 'utf8',
    timeout: 90_000,
  }).stdout;
}

interface Begun {
  readonly head: Uint8Array;
  /** Zero bytes after it. */
  readonly more: number;
}

/** Under another user id: a connection for each, which sends that and takes no answer, until told to end. */
async function connections(uid: number, begun: readonly Begun[]): Promise<() => Promise<void>> {
  const program = `
    let left = process.argv.length - 1;
    for (const [head, more] of process.argv.slice(1).map((text) => text.split(' '))) {
      const s = require('node:net').connect(${JSON.stringify(host.socket)});
      s.on('error', () => undefined);
      s.write(Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(Number(more))]), () => {
        if (--left === 0) console.log('sent');
      });
    }`;
  const args = begun.map(({ head, more }) => `${Buffer.from(head).toString('hex')} ${more}`);
  const child = spawn(execPath, ['-e', program, ...args], {
    ...{ uid, gid: uid, stdio: ['ignore', 'pipe', 'inherit'] },
  });
  await once(child.stdout, 'data');
  return async () => {
    const ended = once(child, 'close');
    child.kill();
    await ended;
  };
}

/** The header of a message as long as any may be. */
function longestApply(): Uint8Array {
  const header = Buffer.from(encodeFrame(MSG.APPLY, 1, []));
  header.writeUInt32LE(MAX_FRAME_BYTES, 8);
  return header;
}

describe('who may ask', () => {
  asRoot(
    "root at its console is served, whatever the agent's user has in flight (needs root)",
    async () => {
      await host.start('--frame-timeout', '300000');
      await chmod(host.dir, 0o755);
      const head = longestApply();
      // Room of 64 and 32 MiB: as much as all clients of that user may have.
      const halves = [MAX_FRAME_BYTES - 1, 20 * 1024 * 1024].map((more) => ({ head, more }));
      const end = await connections(1, halves);
      for (let asked = 0; asked < 10; asked += 1)
        expect(await host.verb('status')).toContain('enforcer');
      await host.verb('suspend', '--mode', 'audit', '--for', '1m', '--reason', 'a test');
      expect(asUser(1, MSG.STATUS, host.socket)).toMatch(/^([A-Z]+\n)?closed\n$/);
      await stateWhen(() => host.log.includes('cut off what=too much in flight uid=1 '));
      await end();
    },
  );

  asRoot(
    'the agent may ask for the state and may not suspend; nobody else may connect (needs root)',
    async () => {
      await host.start();
      await chmod(host.dir, 0o755);
      expect(asUser(1, MSG.STATUS, host.socket)).toBe('message 6\nclosed\n');
      expect(asUser(1, MSG.SUSPEND, host.socket)).toBe('message 13\nclosed\n');
      expect(asUser(65534, MSG.STATUS, host.socket)).toBe('EACCES\nclosed\n');
      await chmod(host.socket, 0o777); // even if the file's mode were wrong
      expect(asUser(65534, MSG.STATUS, host.socket)).toMatch(/^([A-Z]+\n)?closed\n$/);
      expect(await sensor.status()).not.toHaveProperty('suspension');
    },
  );
});
