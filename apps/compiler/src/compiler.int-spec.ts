import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CompileReport } from '#policy-compiler';
import {
  bytesField,
  encodeFrame,
  type Field,
  type Frame,
  FrameDecoder,
  MSG,
  numberField,
  TAG,
  textField,
} from '#sensor';
import { AppArmorParser } from '#testing';
import { Compiler } from './compiler.js';
import { CompilerServer } from './server.js';
import { type Delivery, TestControlPlane } from './test-delivery.js';

const parser = AppArmorParser.find();
const withParser = parser === undefined ? it.skip : it;

interface Setup {
  readonly dir: string;
  readonly socket: string;
  readonly control: TestControlPlane;
  readonly server: CompilerServer;
  readonly faults: unknown[];
}

let setup: Setup;
const opened: Setup[] = [];

beforeEach(async () => {
  setup = await start({});
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(stop));
});

interface StartOptions {
  readonly program?: string;
  readonly features?: string;
  readonly idleMs?: number;
  readonly timeoutMs?: number;
  readonly clock?: () => number;
}

async function start({
  program,
  features,
  idleMs,
  timeoutMs = 30_000,
  clock,
}: StartOptions): Promise<Setup> {
  const dir = mkdtempSync(join(tmpdir(), 'hostward-compiler-'));
  for (const sub of ['trust', 'root/usr/bin', 'root/etc/systemd/system', 'fs'])
    mkdirSync(join(dir, sub), { recursive: true });
  symlinkSync('usr/bin', join(dir, 'root/bin'));
  const control = new TestControlPlane();
  control.writeTrust(join(dir, 'trust'));
  const options = {
    trustDir: join(dir, 'trust'),
    sealingKeyFile: join(dir, 'trust/sealing.key'),
    configFile: join(dir, 'agent.yaml'),
    compileTimeoutMs: timeoutMs,
    host: {
      parser: program ?? '/usr/sbin/apparmor_parser',
      features: features ?? parser?.features ?? '/nowhere',
      root: join(dir, 'root'),
      securityfs: join(dir, 'fs'),
    },
  };
  const compiler = new Compiler(options, clock);
  const faults: unknown[] = [];
  const socket = join(dir, 'compiler.sock');
  const server = new CompilerServer({
    listen: { path: socket },
    idleMs,
    answer: (frame) => compiler.answer(frame),
    onFault: (error) => faults.push(error),
  });
  await server.start();
  const made = { dir, socket, control, server, faults };
  opened.push(made);
  return made;
}

async function stop({ server, dir }: Setup): Promise<void> {
  server.stop();
  await server.ended;
  rmSync(dir, { recursive: true, force: true });
}

const assignmentVersion = { epoch: '1', generation: '40', issuedAt: 1000 };

function policy(
  name: string,
  spec: object,
  annotations: Record<string, string> = {},
): Record<string, unknown> {
  const nodeSelector = { matchLabels: { 'hostward.io/all-hosts': 'true' } };
  return {
    [name]: {
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorHostPolicy',
      metadata: { name, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
      spec: { nodeSelector, ...spec },
    },
  };
}

const SLEEP = policy('sleep', {
  process: { matchPaths: [{ path: '/bin/sleep' }], action: 'Block' },
});

/** What the sensor does: one COMPILE frame, one answer. */
async function ask(fields: readonly Field[], at = setup): Promise<Frame> {
  const socket = createConnection(at.socket);
  const decoder = new FrameDecoder();
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without an answer')));
    socket.on('data', (chunk: Buffer) => {
      const [frame] = decoder.push(chunk);
      if (frame) {
        resolve(frame);
        socket.destroy();
      }
    });
    socket.write(encodeFrame(MSG.COMPILE, 1, fields));
  });
}

function highest(epoch = 0, generation = 0, issuedAt = 0): readonly Field[] {
  return [
    numberField(TAG.EPOCH, epoch),
    numberField(TAG.GENERATION, generation),
    numberField(TAG.ISSUED_AT, issuedAt),
  ];
}

async function compile(
  delivery: Partial<Delivery>,
  more: readonly Field[] = highest(),
  at = setup,
): Promise<Frame> {
  const envelope = await at.control.deliver({ assignmentVersion, policies: SLEEP, ...delivery });
  return ask([bytesField(TAG.ENVELOPE, envelope), ...more], at);
}

function reportOf(frame: Frame): CompileReport {
  return JSON.parse(frame.fields.text(TAG.REPORT) ?? '') as CompileReport;
}

function rejection({ type, fields }: Frame): string {
  return type === MSG.REJECTED
    ? `${fields.text(TAG.CODE)}: ${fields.text(TAG.MESSAGE)}`
    : `not rejected: ${type}`;
}

describe('the compiler', () => {
  withParser("leaves out what the host's owner refuses, and says so of each rule", async () => {
    const file = join(setup.dir, 'agent.yaml');
    writeFileSync(file, 'veto: [sleep]\n');
    const { fields } = await compile({});
    expect(fields.text(TAG.TEXT)).not.toContain('/usr/bin/sleep');
    const { policies } = JSON.parse(fields.text(TAG.REPORT) ?? '') as CompileReport;
    expect(policies[0]?.rules).toEqual([
      {
        id: 'process/matchPaths/0',
        plan: 'refused',
        reason: expect.stringContaining('veto in /etc/hostward/agent.yaml names sleep'),
        class: 'process',
      },
    ]);
    writeFileSync(file, 'veto: sleep\n');
    expect(rejection(await compile({}))).toContain('config-invalid');
  });

  it('compiles to nothing where the host only observes, and says so of no rule, since the agent does', async () => {
    writeFileSync(join(setup.dir, 'agent.yaml'), 'enforcer: observe\n');
    const usb = policy('usb', {
      device: { matchDevice: [{ class: 'MASS_STORAGE' }], action: 'Block' },
    });
    const frame = await compile({ policies: { ...SLEEP, ...usb } });
    expect([frame.type, frame.fields.text(TAG.DEVICES)]).toEqual([MSG.COMPILED, undefined]);
    expect(frame.fields.texts(TAG.PROFILE_NAME)).toEqual([]);
    expect(String(frame.fields.bytes(TAG.ENFORCE) ?? '')).toBe('');
    expect(reportOf(frame).policies).toEqual([]);
  });

  withParser(
    'answers with binary policy in three variants, names, report, text and probes',
    async () => {
      const { type, fields, request } = await compile({});
      expect([type, request]).toEqual([MSG.COMPILED, 1]);
      expect([TAG.EPOCH, TAG.GENERATION, TAG.ISSUED_AT].map((tag) => fields.number(tag))).toEqual([
        1n,
        40n,
        1000n,
      ]);
      expect(fields.texts(TAG.PROFILE_NAME)).toEqual(['hostward']);
      const blobs = [TAG.ENFORCE, TAG.AUDIT, TAG.OPEN].map((tag) =>
        Buffer.from(fields.bytes(tag) ?? []),
      );
      for (const blob of blobs) expect(blob.includes('hostward\0')).toBe(true);
      expect(blobs[0]?.equals(blobs[2] ?? Buffer.alloc(0))).toBe(false);
      expect(fields.text(TAG.TEXT)).toContain('audit deny "/usr/bin/sleep{,.dpkg-tmp}" x,');
      expect(fields.texts(TAG.PROBE)).toEqual([
        'exec\0sleep/process/matchPaths/0\0hostward\0/usr/bin/sleep',
      ]);
      expect(fields.text(TAG.DIGEST)).toMatch(/^[0-9a-f]{64}$/);
    },
  );

  withParser('lets only its owner connect', () => {
    expect(statSync(setup.socket).mode & 0o777).toBe(0o600);
  });

  withParser(
    'says unsupported of every rule, with empty blobs, where the kernel has no AppArmor',
    async () => {
      const at = await start({ features: '/nowhere/features' });
      const frame = await compile({}, highest(), at);
      expect(frame.type).toBe(MSG.COMPILED);
      expect(frame.fields.bytes(TAG.ENFORCE)).toHaveLength(0);
      expect(frame.fields.texts(TAG.PROFILE_NAME)).toEqual([]);
      expect(reportOf(frame).policies[0]?.rules[0]).toMatchObject({
        plan: 'unsupported',
        reason: expect.stringContaining('has no AppArmor'),
      });
    },
  );

  withParser('keeps retired profiles of ours, and takes no other names', async () => {
    const names = ['hostward-src-0123456789abcdef', 'docker-default'].map((name) =>
      textField(TAG.LOADED_NAME, name),
    );
    const { fields } = await compile({}, [...highest(), ...names]);
    expect(fields.texts(TAG.PROFILE_NAME)).toEqual(['hostward', 'hostward-src-0123456789abcdef']);
  });

  it('tells which links it looked at, so that the sensor knows when one leads elsewhere', async () => {
    const before = (await compile({})).fields.bytes(TAG.LINKS);
    expect(String(before)).toMatch(/(^|\0)\/usr\/bin\/sleep\0\0/);
    symlinkSync('/usr/bin/coreutils', join(setup.dir, 'root/usr/bin/sleep'));
    expect(String((await compile({})).fields.bytes(TAG.LINKS))).toMatch(
      /(^|\0)\/usr\/bin\/sleep\0\/usr\/bin\/coreutils\0/,
    );
  });

  withParser('tells by what it was made from that two answers are of the same rules', async () => {
    // Of one text the parser makes one policy or another, by where its memory lies.
    const policies = policy('no-tcp', {
      network: { matchProtocols: [{ protocol: 'tcp', fromSource: [{ path: '/usr/bin/sleep' }] }] },
      action: 'Block',
    });
    const effectOf = async (delivery: Parameters<typeof compile>[0]): Promise<string> => {
      const { fields } = await compile(delivery);
      return Buffer.from(fields.bytes(TAG.EFFECT) ?? '').toString('hex');
    };
    const effects = new Set<string>();
    for (let time = 0; time < 8; time += 1) effects.add(await effectOf({ policies }));
    expect([...effects]).toEqual([expect.stringMatching(/^[0-9a-f]{128}$/)]);
    expect(effects.has(await effectOf({}))).toBe(false);
  });

  withParser(
    'tells what it says of a suspension also where nothing can be compiled of it',
    async () => {
      const suspension = {
        ...({ mode: 'audit', reason: 'outage' } as const),
        until: Date.now() + 60_000,
      };
      const wordOf = ({ type, fields }: Frame) => {
        expect(type).toBe(MSG.REJECTED);
        const numbers = [TAG.EPOCH, TAG.GENERATION, TAG.ISSUED_AT, TAG.SUSPEND_UNTIL];
        return [
          fields.text(TAG.CODE),
          fields.text(TAG.SUSPEND_MODE),
          ...numbers.map((tag) => fields.number(tag)),
        ];
      };
      const word = [
        ...['audit', BigInt(assignmentVersion.epoch), BigInt(assignmentVersion.generation)],
        ...[BigInt(assignmentVersion.issuedAt), BigInt(suspension.until)],
      ];
      const file = join(setup.dir, 'agent.yaml');
      writeFileSync(file, 'veto: sleep\n');
      expect(wordOf(await compile({ suspension }))).toEqual(['config-invalid', ...word]);
      rmSync(file);
      // Not of what is not believed.
      const stale = await compile({ suspension }, highest(99));
      expect(wordOf(stale).slice(1)).toEqual(word.map(() => undefined));
    },
  );

  withParser('hands on a suspension that the control plane signed', async () => {
    const suspension = {
      mode: 'audit' as const,
      until: Date.now() + 1000,
      reason: `maintenance ${'é'.repeat(600)}`,
    };
    const { fields } = await compile({ suspension });
    expect(fields.text(TAG.SUSPEND_MODE)).toBe('audit');
    expect(fields.bytes(TAG.SUSPEND_REASON)?.length).toBeLessThanOrEqual(512);
  });

  withParser(
    'gives units with a profile of their own a drop-in that stacks it on ours',
    async () => {
      const unit = join(setup.dir, 'root/etc/systemd/system/db.service');
      writeFileSync(unit, '[Service]\nExecStart=/usr/bin/db\nAppArmorProfile=-db\n');
      const { fields } = await compile({});
      expect(fields.texts(TAG.DROPIN)).toEqual([
        expect.stringMatching(/^db\.service\0[^]*\[Service\]\nAppArmorProfile=-hostward\/\/&db\n$/),
      ]);
    },
  );

  withParser(
    'refuses what is older than the highest assignment version seen, and takes the same again',
    async () => {
      expect(rejection(await compile({}, highest(1, 41, 0)))).toMatch(/^stale-order/);
      expect((await compile({}, highest(1, 40, 1000))).type).toBe(MSG.COMPILED);
    },
  );

  withParser(
    'takes an older one that the sensor has kept, as after a fallback, and so ends its exceptions',
    async () => {
      const seen = [...highest(1, 41, 0), numberField(TAG.AGAIN, 1)];
      expect((await compile({}, seen)).type).toBe(MSG.COMPILED);
    },
  );

  withParser(
    'refuses what another control plane signed, what is for another host, what is cut or no envelope',
    async () => {
      const other = new TestControlPlane();
      const foreign = await other.deliver({ assignmentVersion, policies: SLEEP });
      const good = await setup.control.deliver({ assignmentVersion, policies: SLEEP });
      const flipped = Buffer.from(good);
      flipped[flipped.length - 20] = flipped[flipped.length - 20] === 65 ? 66 : 65;
      for (const envelope of [
        foreign,
        flipped,
        good.subarray(0, good.length / 2),
        Buffer.from('{}'),
        Buffer.alloc(0),
      ]) {
        const answer = await ask([bytesField(TAG.ENVELOPE, envelope), ...highest()]);
        expect(answer.type).toBe(MSG.REJECTED);
      }
      expect(rejection(await ask(highest()))).toBe('malformed: the request has no envelope');
    },
  );

  withParser('refuses a signed policy that it cannot read, naming it', async () => {
    expect(rejection(await compile({ policies: { odd: { kind: 'Nonsense' } } }))).toMatch(
      /^policy-invalid: policy odd: /,
    );
  });

  withParser('says that the host is not enrolled while trust files are missing', async () => {
    rmSync(join(setup.dir, 'trust/root.json'));
    expect(rejection(await compile({}))).toMatch(/^not-enrolled: .*root\.json/);
  });

  withParser('refuses a control-path lock-out and keeps the other rules', async () => {
    const policies = {
      ...SLEEP,
      ...policy('shadow', { file: { matchPaths: [{ path: '/etc/shadow' }], action: 'Block' } }),
    };
    const frame = await compile({ policies });
    expect(reportOf(frame).policies.map(({ rules }) => rules[0]?.plan)).toEqual([
      'refused',
      'enforce',
    ]);
  });

  withParser('says of each policy which document of its author it is', async () => {
    const { policies } = reportOf(await compile({}));
    expect(policies.map(({ document }) => document)).toEqual([
      { version: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });
});

describe('faults of the parser', () => {
  const faultDirs: string[] = [];
  afterAll(() => {
    for (const dir of faultDirs) rmSync(dir, { recursive: true });
  });

  /** Refuses every text that contains one of the words, in the words of the real parser; else is the real parser. */
  async function withFaults(...words: readonly string[]): Promise<Setup> {
    const tests = words.map(
      (word) =>
        `case "$text" in *${word}*) echo "AppArmor parser error: cannot take ${word}" >&2; exit 1;; esac`,
    );
    const real = `printf '%s\\n' "$text" | exec /usr/sbin/apparmor_parser "$@"`;
    return startWith(['text=$(cat)', ...tests, real].join('\n'));
  }

  /** With a shell script in the parser's place, which nobody may run too. */
  async function startWith(script: string): Promise<Setup> {
    const dir = mkdtempSync(join(tmpdir(), 'hostward-fault-'));
    chmodSync(dir, 0o755);
    faultDirs.push(dir);
    const program = join(dir, 'parser');
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return start({ program });
  }

  const many = policy('many', {
    file: {
      matchPaths: Array.from({ length: 20 }, (_, at) => ({ path: `/srv/file-${at}-end` })),
      action: 'Block',
    },
  });

  withParser(
    'mark only the rules that it refuses, with its words; the others are enforced',
    async () => {
      const at = await withFaults('file-7-', 'file-13-');
      const frame = await compile({ policies: { ...many, ...SLEEP } }, highest(), at);
      const rules = reportOf(frame).policies.flatMap((one) => one.rules);
      expect(
        rules.filter(({ plan }) => plan === 'failed').map(({ id, reason }) => [id, reason]),
      ).toEqual([
        ['file/matchPaths/7', 'AppArmor parser error: cannot take file-7-'],
        ['file/matchPaths/13', 'AppArmor parser error: cannot take file-13-'],
      ]);
      expect(rules.filter(({ plan }) => plan === 'enforce')).toHaveLength(19);
    },
  );

  withParser('with everything make the compilation fail, with its words', async () => {
    const at = await withFaults('profile');
    const suspension = { mode: 'off', reason: 'outage', until: Date.now() + 60_000 } as const;
    const answer = await compile({ suspension }, highest(), at);
    expect(rejection(answer)).toMatch(/^parser-failed: AppArmor parser error/);
    expect(answer.fields.text(TAG.SUSPEND_MODE)).toBe('off');
  });

  withParser('are bounded in size: a parser that goes on writing is ended', async () => {
    const at = await startWith('exec yes');
    expect(rejection(await compile({}, highest(), at))).toMatch(/^parser-failed: .*over 10 MiB/);
  });

  withParser(
    'are bounded in time by how long who asks waits: one that hangs is ended',
    async () => {
      const at = await startWith(
        '[ "$1" = --version ] && exec /usr/sbin/apparmor_parser --version; exec sleep 30',
      );
      const begun = Date.now();
      const answer = await compile({}, [...highest(), numberField(TAG.TIME_LIMIT, 4000n)], at);
      expect(rejection(answer)).toMatch(
        /^compiler-timeout: .*: this host is slow or busy, or patterns are costly$/,
      );
      expect(Date.now() - begun).toBeLessThan(4000);
    },
  );
});

describe('on a host whose clock says 1970', () => {
  const HOUR = 3_600_000;
  let at: Setup;
  beforeEach(async () => {
    at = await start({ clock: () => 60_000 });
  });

  withParser('nothing is taken that had expired by the last signed time', async () => {
    const taken = await compile({}, highest(1, 39, Date.now()), at);
    expect(taken.type).toBe(MSG.COMPILED);
    const late = await compile({}, highest(1, 39, Date.now() + HOUR), at);
    expect(rejection(late)).toMatch(/^(root-)?expired: /);
  });

  withParser('an exception that had ended is not in force again', async () => {
    const block = { process: { matchPaths: [{ path: '/bin/sleep' }], action: 'Block' } };
    const now = { ...assignmentVersion, issuedAt: Date.now() };
    const until = (ms: number) => ({
      'hostward.io/tier': 'exception',
      'hostward.io/until': new Date(now.issuedAt + ms).toISOString(),
    });
    const textOf = async (ms: number, more: readonly Field[]) => {
      const policies = policy('excepted', block, until(ms));
      const { fields } = await compile({ assignmentVersion: now, policies }, more, at);
      return [fields.text(TAG.TEXT)?.includes('/usr/bin/sleep'), fields.number(TAG.VALID_UNTIL)];
    };
    expect(await textOf(HOUR, highest())).toEqual([true, expect.any(BigInt)]);
    expect(await textOf(-1_000, highest())).toEqual([false, undefined]);
    const seen = highest(1, 39, now.issuedAt + 5 * 60_000);
    expect(await textOf(60_000, seen)).toEqual([false, undefined]);
    const ended = numberField(TAG.ENDED_AT, BigInt(now.issuedAt + 60_000));
    expect(await textOf(60_000, [...highest(), ended])).toEqual([false, undefined]);
    expect(await textOf(60_001, [...highest(), ended])).toEqual([true, expect.any(BigInt)]);
  });
});

describe('the socket', () => {
  it.each([
    ['another magic', Buffer.alloc(64, 7)],
    ['a frame that is not for the compiler', Buffer.from(encodeFrame(MSG.HELLO, 1, []))],
    ['an answer instead of a question', Buffer.from(encodeFrame(MSG.COMPILED, 1, []))],
  ])('is closed on %s', async (_, bytes) => {
    const socket = connect(setup.socket);
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.resume();
    socket.write(bytes);
    await closed;
    expect(setup.faults).toHaveLength(1);
  });

  it('ends the server when nobody came for a while', async () => {
    const at = await start({ idleMs: 50 });
    await at.server.ended;
    expect(at.faults).toEqual([]);
  });

  withParser('answers several at once, one after the other', async () => {
    const frames = await Promise.all([compile({}), compile({}), compile({})]);
    expect(frames.map(({ type }) => type)).toEqual([MSG.COMPILED, MSG.COMPILED, MSG.COMPILED]);
  });
});
