import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  access,
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { constants } from 'node:os';
import { execPath } from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  encodeFrame,
  type Frame,
  MAX_FRAME_BYTES,
  MSG,
  numberField,
  TAG,
  textField,
} from './protocol.js';
import { SensorRefusedError, SensorUnavailableError } from './sensor.js';
import type { SocketSensor } from './socket-sensor.js';
import type { SensorEvent, SensorState } from './state.js';
import { skipped, whyNoDeadMount } from './fixtures/private-mounts.js';
import { sampleFields, type SampleTable } from './fixtures/sample-policy.js';
import { compileSample, rejectAs } from './fixtures/scripted-compiler.js';
import { RawClient, SensorHost } from './fixtures/sensor-host.js';

const envelope = (table: SampleTable): Uint8Array => Buffer.from(JSON.stringify(table));
const orderingOf = (generation: number) => ({
  epoch: '1',
  generation: String(generation),
  issuedAt: 1_700_000_000_000,
});

const USB = 'sys/bus/usb/devices';
/** A disk, in use. */
const STICK = {
  '1-2/devnum': '5\n',
  '1-2/authorized': '1\n',
  '1-2/dev': '189:1\n',
  '1-2/descriptors': Buffer.from(
    '1201000200000040f446010000000000' + '0001' + '090212000101008032' + '090400000008065000',
    'hex',
  ),
};

let host: SensorHost;
let sensor: SocketSensor;

beforeEach(async () => {
  host = await SensorHost.create();
  sensor = host.sensor();
}, 300_000);

afterEach(async () => {
  await host.close();
  expect(host.log).not.toMatch(/ERROR: |runtime error/);
});

/** Everything on disk and in the fake kernel that decides what is enforced. */
async function enforced(): Promise<unknown> {
  const state = join(host.dir, 'state');
  const files = await readdir(state);
  const kept = files.filter((name) => /^(snapshot|memory)/.test(name)).sort();
  const contents = await Promise.all(kept.map((name) => readFile(join(state, name), 'hex')));
  return { kernel: await host.kernel(), kept, contents };
}

/** The first event of this type after the one given, within the test's own deadline. */
async function eventOf(type: SensorEvent['type'], after: number): Promise<SensorEvent> {
  for await (const event of host.sensor().events(after, AbortSignal.timeout(20_000))) {
    if (event.type === type) return event;
  }
  throw new Error(`no event ${type}`);
}

/** Asks for the state until it is as wanted. */
async function stateWhen(wanted: (state: SensorState) => boolean): Promise<SensorState> {
  const end = AbortSignal.timeout(20_000);
  for (;;) {
    const state = await sensor.status();
    if (wanted(state)) return state;
    if (end.aborted) throw new Error(`never so: ${JSON.stringify(state)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('what a rule set brings to be trusted', () => {
  const trusted = (name: string) => readFile(join(host.dir, 'trust', name), 'utf8');

  it('is on disk before the rule set is in force, and stays where the next one is refused', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 1, root: 'root 2', floors: 'floors 1' }));
    expect([await trusted('root.json'), await trusted('floors.json')]).toEqual([
      'root 2',
      'floors 1',
    ]);
    await sensor.apply(envelope({ generation: 3, floors: 'floors 3' }));
    const stale = sensor.apply(envelope({ generation: 2, root: 'root 1', floors: 'floors 0' }));
    await expect(stale).rejects.toMatchObject({ code: 'stale-ordering' });
    expect([await trusted('root.json'), await trusted('floors.json')]).toEqual([
      'root 2',
      'floors 3',
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

describe('rules about USB devices', () => {
  const gate = (): Promise<string> =>
    readFile(join(host.dir, USB, 'usb1/authorized_default'), 'utf8');
  const authorized = (): Promise<string> => readFile(join(host.dir, USB, '1-2/authorized'), 'utf8');
  const devices = 'block 100 4 8 - - - control-path\n';

  beforeEach(async () => {
    await mkdir(join(host.dir, USB, 'usb1'), { recursive: true });
    await mkdir(join(host.dir, USB, '1-2'));
    const files = { 'usb1/authorized_default': '1\n', ...STICK };
    for (const [name, content] of Object.entries(files))
      await writeFile(join(host.dir, USB, name), content);
  });

  it('are kept over a restart, told of, drift when undone by hand, and end with the rule set', async () => {
    await host.start();
    const state = await sensor.apply(envelope({ generation: 5, devices }));
    expect(state.devices).toEqual({
      ...{ bus: true, listening: true, present: 1, refused: 1, spared: [] },
    });
    expect([await gate(), await authorized()]).toEqual(['0\n', '0\n']);
    expect(await eventOf('denied', 1)).toMatchObject({
      ...{ operation: 'usb', name: '8/6/80', enforcer: 'usb', rule: 4, device: '189:1' },
      ...{ info: 'place=1-2 id=46f4:0001 level=1', generation: '5' },
    });
    await host.stop('SIGKILL');
    expect(await gate()).toBe('0\n');
    await host.start();
    sensor = host.sensor();
    await writeFile(join(host.dir, USB, '1-2/authorized'), '1\n');
    const drifted = await stateWhen(({ drift }) => drift.length > 0);
    expect(drifted.drift[0]).toMatchObject({ what: 'USB: device 1-2 was let in by hand' });
    expect(await authorized()).toBe('0\n');
    const without = await sensor.apply(envelope({ generation: 6 }));
    expect(without.devices).toBeUndefined();
    expect([await gate(), await authorized()]).toEqual(['1\n', '1\n']);
  });

  it('that are malformed are refused as a whole, and what was in force stays', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, devices }));
    const refused = sensor.apply(envelope({ generation: 6, devices: 'block all\n' }));
    await expect(refused).rejects.toMatchObject({ code: 'compiler-malformed' });
    expect(await gate()).toBe('0\n');
  });

  it('are let go while suspended, and hold again after', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5, devices }));
    await host.verb('suspend', '--mode', 'off', '--for', '1h', '--reason', 'test');
    expect([await gate(), await authorized()]).toEqual(['1\n', '1\n']);
    await host.verb('resume');
    expect([await gate(), await authorized()]).toEqual(['0\n', '0\n']);
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
      ordering: orderingOf(5),
      highest: orderingOf(5),
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
    await sensor.confirm(orderingOf(5));
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

  it('is not said to be there again by resume while the control plane suspends it too', async () => {
    await host.start();
    const suspend = { mode: 'off', until: Date.now() + 60_000, reason: 'fleet' };
    await sensor.apply(envelope({ generation: 5, suspend }));
    await host.verb('suspend', '--mode', 'off', '--for', '30m', '--reason', 'outage');
    await expect(host.verb('resume')).rejects.toMatchObject({
      stderr: expect.stringContaining('the control plane suspends it too'),
    });
    expect(await sensor.status()).toMatchObject({
      mode: 'off',
      suspension: { by: 'control-plane' },
    });
  });

  it('is not said to be there again by resume where the kernel refused it', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'off', '--for', '30m', '--reason', 'outage');
    await writeFile(join(host.dir, 'security/apparmor/refuse'), '');
    await expect(host.verb('resume')).rejects.toMatchObject({
      stderr: expect.stringContaining('refused: '),
    });
    expect(await sensor.status()).toMatchObject({ outcome: { ok: false, code: 'load-failed' } });
  });

  it('gives a compilation twice the time after one that had too little, up to eight times, until one is done', async () => {
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
});

describe('a hostile agent changes nothing', () => {
  const foreign: SampleTable = { generation: 9, names: ['hostward', '/usr/sbin/mysqld'] };
  const hidden: SampleTable = { generation: 9, blobNames: ['hostward-sensor'] };

  beforeEach(async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['an older envelope', () => sensor.apply(envelope({ generation: 4 })), 'stale-ordering'],
    [
      'another envelope of the same ordering',
      () => sensor.apply(envelope({ generation: 5, digest: 'ff' })),
      'conflicting-ordering',
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
      expect(await sensor.status()).toMatchObject({ ordering: orderingOf(6) });
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
    expect(await sensor.status()).toMatchObject({ ordering: orderingOf(5) });
    expect(await enforced()).toEqual(before);
  });

  it('with a profile set that the kernel refuses', async () => {
    const before = await enforced();
    await writeFile(join(host.dir, 'security/apparmor/refuse'), '');
    await expect(sensor.apply(envelope({ generation: 9 }))).rejects.toMatchObject({
      code: 'load-failed',
    });
    expect(await enforced()).toEqual(before);
    expect(await sensor.status()).toMatchObject({
      ordering: orderingOf(5),
      highest: orderingOf(5),
    });
  });

  it('after a restart either: the highest ordering is remembered', async () => {
    await host.stop('SIGKILL');
    await host.start();
    await expect(sensor.apply(envelope({ generation: 4 }))).rejects.toMatchObject({
      code: 'stale-ordering',
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
      const end = AbortSignal.timeout(20_000);
      while ((await host.children('hostward-probe')).length > 0) {
        expect(end.aborted).toBe(false);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, 30_000);

    it('does not keep the sensor from ending', async () => {
      await sensor.apply(envelope({ generation: 5, probes: [probeOf(far)] }));
      expect(await host.children('hostward-probe')).toHaveLength(1);
      await host.stop();
    }, 30_000);
  },
);

const asRoot = process.getuid?.() === 0 ? it : it.skip;

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
    timeout: 20_000,
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
      await host.start('--frame-timeout', '20000');
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

describe('a rule set that changes by itself', () => {
  const kernelHas = async (mark: string): Promise<void> => {
    const end = AbortSignal.timeout(20_000);
    while (!(await host.kernel())['hostward']?.includes(mark)) {
      if (end.aborted) throw new Error(`never ${mark}: ${host.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const answerWith = (change: Partial<SampleTable>) => (request: Frame) => {
    const table = JSON.parse(request.fields.text(TAG.ENVELOPE) ?? '') as SampleTable;
    return encodeFrame(MSG.COMPILED, request.request, sampleFields({ ...table, ...change }));
  };
  const applyConfirmed = async (table: SampleTable): Promise<void> => {
    await sensor.apply(envelope(table));
    await sensor.confirm(orderingOf(table.generation));
  };

  it('is compiled anew from its own envelope when an exception ends, and must be confirmed again', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 500 });
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await kernelHas('enforce-ended');
    expect(await sensor.status()).toMatchObject({
      ordering: orderingOf(5),
      highest: orderingOf(5),
      outcome: { ok: true },
      confirm: { state: 'waiting' },
    });
    const asked = host.compiler.requests.map(({ fields }) => fields.text(TAG.ENVELOPE));
    expect(new Set(asked).size).toBe(1);
    expect(host.log).toMatch(/compiled anew reason=an exception has ended/);
  });

  it('remembers over a restart which end has passed, and tells the compiler: no clock brings an exception back', async () => {
    await host.start();
    const validUntil = Date.now() + 500;
    await applyConfirmed({ generation: 5, validUntil });
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await kernelHas('enforce-ended');
    await sensor.confirm(orderingOf(5));
    await host.stop('SIGKILL');
    host.compiler.script = answerWith({ mark: 'after-boot', validUntil: undefined });
    await host.start();
    await kernelHas('enforce-after-boot');
    const told = host.compiler.requests.map(({ fields }) => fields.number(TAG.ENDED_AT));
    expect(told).toEqual([undefined, BigInt(validUntil), BigInt(validUntil)]);
  });

  it('does so over a restart too, which is a reason by itself: kernel and parser may be others', async () => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    await host.stop('SIGKILL');
    host.compiler.script = answerWith({ mark: 'other-kernel' });
    await host.start();
    await kernelHas('enforce-other-kernel');
    expect(host.log).toMatch(/compiled anew reason=at start/);
  });

  it('does so when profiles of others come or go', async () => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    host.compiler.script = answerWith({ mark: 'beside-mysqld' });
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'mysqld (enforce)\n');
    await kernelHas('enforce-beside-mysqld');
    expect(host.log).toMatch(/compiled anew reason=the host changed/);
  });

  it('waits for a rule set that is on its way, and is made of that one: an older envelope would be refused', async () => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    const { promise, resolve } = Promise.withResolvers<void>();
    host.compiler.script = (request) => promise.then(() => compileSample(request));
    const taken = sensor.apply(envelope({ generation: 6 }));
    await stateWhen(() => host.compiler.requests.length === 2);
    host.compiler.script = answerWith({ mark: 'beside-mysqld' });
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'mysqld (enforce)\n');
    const over = Date.now() + 1000; // several checks
    await stateWhen(() => Date.now() > over);
    resolve();
    await taken;
    await sensor.confirm(orderingOf(6));
    await kernelHas('enforce-beside-mysqld');
    const [, ...asked] = host.compiler.requests.map(({ fields }) => fields.text(TAG.ENVELOPE));
    expect(new Set(asked).size).toBe(1);
  });

  it('keeps what is in force where the compiler refuses, and leaves it alone when nothing changes', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 300 });
    host.compiler.script = rejectAs('not-enrolled');
    // That the end has passed is remembered whatever the compiler says.
    await stateWhen(() => host.log.includes('reason=an exception has ended'));
    const before = await enforced();
    expect(before).toMatchObject({ kernel: { hostward: expect.stringContaining('enforce-5') } });
    await stateWhen(() => host.log.includes('code=not-enrolled'));
    expect(await enforced()).toEqual(before);
    host.compiler.script = compileSample;
    await applyConfirmed({ generation: 6 });
    const asked = host.compiler.requests.length;
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'hostward (enforce)\n');
    await sensor.recheck();
    await sensor.recheck();
    expect(host.compiler.requests).toHaveLength(asked);
  });

  it('unloaded at the console while it is compiled anew, it stays unloaded until it is resumed', async () => {
    await host.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 500 });
    const asked = host.compiler.requests.length;
    const ended = answerWith({ mark: 'ended', validUntil: undefined });
    host.compiler.script = (request) => promise.then(() => ended(request));
    await stateWhen(() => host.compiler.requests.length > asked);
    await host.verb('unload');
    resolve();
    const over = Date.now() + 1000;
    await stateWhen(() => Date.now() > over);
    expect((await host.kernel())['hostward']).not.toContain('enforce');
    expect(await sensor.status()).toMatchObject({ mode: 'off' });
    await host.verb('resume');
    await kernelHas('enforce-5');
  });

  it('is not while the console has unloaded it', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 600 });
    await host.verb('unload');
    const asked = host.compiler.requests.length;
    const over = Date.now() + 1000; // several checks after its end
    await stateWhen(() => Date.now() > over);
    expect(host.compiler.requests).toHaveLength(asked);
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await host.verb('resume');
    await sensor.confirm(orderingOf(5));
    await kernelHas('enforce-ended');
  });
});

describe('suspension', () => {
  it('ends by itself and is recorded', async () => {
    await host.start();
    const { profiles } = await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'audit', '--for', '1s', '--reason', 'a test');
    const suspended = await eventOf('suspended', 1);
    expect(suspended.info).toMatch(/^audit until [\dT:-]+Z by console: a test$/);
    const resumed = await eventOf('resumed', suspended.seq);
    expect(resumed.time - suspended.time).toBeGreaterThanOrEqual(900);
    expect(await sensor.status()).toMatchObject({ mode: 'enforce', profiles });
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('holds over a restart and a boot, and can be ended at the console', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('suspend', '--mode', 'off', '--for', '5m', '--reason', 'a test');
    expect((await host.kernel())['hostward']).toContain('open-5');
    await host.stop('SIGKILL');
    await host.forgetKernel();
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('open-5');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      mode: 'off',
      suspension: { by: 'console', reason: 'a test' },
    });
    await host.verb('resume');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
  });

  it('ordered by a signed assignment holds as long as the assignment says', async () => {
    await host.start();
    const suspend = { mode: 'audit', until: Date.now() + 60_000, reason: 'fleet' };
    expect(await sensor.apply(envelope({ generation: 5, suspend }))).toMatchObject({
      mode: 'audit',
      suspension: { by: 'control-plane', reason: 'fleet' },
    });
    expect((await host.kernel())['hostward']).toContain('audit-5');
    const state = await sensor.apply(envelope({ generation: 6 }));
    expect(state).toMatchObject({ mode: 'enforce' });
    expect(state).not.toHaveProperty('suspension');
  });

  it('without an end, or with one too far away, is refused', async () => {
    await host.start();
    const suspend = (until: number) => [
      textField(TAG.MODE, 'off'),
      numberField(TAG.UNTIL, until),
      textField(TAG.REASON, 'x'),
    ];
    const client = await RawClient.connect(host.socket);
    const past = await client.ask(MSG.SUSPEND, suspend(Date.now() - 1));
    expect(past.fields.text(TAG.CODE)).toBe('bad-end');
    const far = await client.ask(MSG.SUSPEND, suspend(Date.now() + 8 * 24 * 3_600_000));
    expect(far.fields.text(TAG.CODE)).toBe('bad-end');
    client.destroy();
  });

  it('by unload opens everything until resume', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.verb('unload');
    expect((await host.kernel())['hostward']).toContain('open-5');
    expect(await sensor.status()).toMatchObject({ mode: 'off' });
    await host.verb('resume');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
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
    expect(await sensor.status()).toMatchObject({ ordering: orderingOf(5), outcome: { ok: true } });
  });

  it('takes the place of a snapshot that is cut', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await sensor.confirm(orderingOf(5));
    await sensor.apply(envelope({ generation: 6 }));
    await host.stop('SIGKILL');
    await truncate(join(host.dir, 'state/snapshot'), 100);
    await host.forgetKernel();
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      ordering: orderingOf(5),
      highest: orderingOf(6),
    });
  });

  it('is loaded in audit after three boots in a row that were not healthy', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await host.stop();
    const boots = join(host.dir, 'state/boots');
    await writeFile(boots, 'another-boot 2\n');
    await host.verb('early');
    expect((await host.kernel())['hostward']).toContain('enforce-5');
    await writeFile(boots, 'another-boot 3\n');
    expect(await host.verb('early')).toContain('3 boots in a row');
    expect((await host.kernel())['hostward']).toContain('audit-5');
    await host.start();
    expect(await sensor.status()).toMatchObject({
      mode: 'audit',
      suspension: { by: 'boot-guard' },
    });
    await sensor.confirm(orderingOf(5));
    await sensor.apply(envelope({ generation: 6 }));
    expect((await host.kernel())['hostward']).toContain('enforce-6');
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
    await sensor.confirm(orderingOf(5));
    await sensor.apply(envelope({ generation: 6 }));
    const state = await stateWhen(({ confirm }) => confirm?.state !== 'waiting');
    expect(state).toMatchObject({ confirm: { state: 'unconfirmed' }, ordering: orderingOf(6) });
    expect((await host.kernel())['hostward']).toContain('enforce-6');
    await sensor.confirm(orderingOf(6));
    expect(await sensor.status()).toMatchObject({ confirm: { state: 'confirmed' } });
  });

  it('refuses to confirm what is not in force', async () => {
    await host.start();
    await sensor.apply(envelope({ generation: 5 }));
    await expect(sensor.confirm(orderingOf(4))).rejects.toMatchObject({ code: 'not-in-force' });
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
    expect(state).toMatchObject({ enforcer: 'none', profiles: [], ordering: orderingOf(5) });
    await expect(access(join(host.dir, 'security/apparmor'))).rejects.toThrow();
  });
});
