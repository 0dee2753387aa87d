import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EtcdStore } from '#etcd';
import { connectRedis } from '#redis';
import { encodeFrame, MSG, numberField, TAG, textField } from '#sensor';
import { LinkProxy, type Recording } from '#testing';
import { Rest, type Sent } from '../../apps/control-plane/src/testing/rest.js';
import { Rig, blockPolicy, group } from '../../apps/control-plane/src/testing/rig.js';
import { alertBatch } from '../../apps/control-plane/src/testing/alerts.js';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { RawClient, SensorHost } from '../../libs/sensor/src/fixtures/sensor-host.js';
import { eventually } from '../e2e/support/eventually.js';
import { Product, projectRoot } from '../e2e/support/product.js';
import { listenersOf } from '../e2e/support/listeners.js';
import { Drip, handshake, sayInClear, sayInTls } from './support/raw.js';
import { everything, leaks, notTls } from './support/wire.js';

const MINUTE = 60_000;
const SILENCE_MS = 3_000;
const NOBODY = 65_534;

jest.setTimeout(4 * MINUTE);

/** Starts the real agent as a host has it, with its control plane at this URL. */
class RealAgent {
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(
    private readonly folder: string,
    private readonly config: string,
  ) {}

  static async enrol(url: string, caFingerprint: string, token: string, name: string) {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-attack-'));
    const config = join(folder, 'agent.yaml');
    const content = {
      controlPlane: { url, caFingerprint },
      enforcer: 'observe',
      stateDir: join(folder, 'state'),
    };
    await writeFile(config, JSON.stringify(content), { mode: 0o600 });
    const agent = new RealAgent(folder, config);
    const code = await agent.#run(['enroll', `--name=${name}`, '--token-file=-'], `${token}\n`);
    if (code !== 0) throw new Error(`not enrolled: ${agent.#log}`);
    return agent;
  }

  start(): void {
    void this.#run(['run'], '');
  }

  async stop(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  #run([verb = '', ...args]: readonly string[], input: string): Promise<number> {
    const main = join(projectRoot, 'dist/apps/agent/src/bundle.js');
    const child = spawn(execPath, [main, verb, `--config=${this.config}`, ...args]);
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    child.stdin.end(input);
    return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  }
}

describe('an attacker on the network who records everything', () => {
  const secrets = {
    policy: 'needle-policy-7c1',
    path: '/opt/needle-path-7c1/tool',
    label: 'needle-label-7c1',
    group: 'needle-group-7c1',
    host: 'needle-host-7c1',
    alert: '/opt/needle-alert-7c1',
  };
  let rig: Rig;
  let agent: RealAgent;
  let links: Record<'REST' | 'host to Redis' | 'control plane to Redis' | 'etcd', LinkProxy>;
  let recordings: Record<keyof typeof links, readonly Recording[]>;

  beforeAll(async () => {
    const [rest, hostRedis] = await Promise.all([LinkProxy.start(1), LinkProxy.start(1)]);
    rig = await Rig.prepare([`--redis=127.0.0.1:${hostRedis.port}`]);
    hostRedis.retarget(rig.redis.port);
    links = {
      REST: rest,
      'host to Redis': hostRedis,
      'control plane to Redis': rig.redisLink,
      etcd: rig.etcdLink,
    };
    recordings = {
      REST: links.REST.record(),
      'host to Redis': links['host to Redis'].record(),
      'control plane to Redis': links['control plane to Redis'].record(),
      etcd: links.etcd.record(),
    };
    await rig.startControlPlane();
    await rig.ready();
    rest.retarget(Number(new URL(rig.rest.url).port));
    await playAFleet();
  });
  afterAll(async () => {
    await agent?.stop();
    await rig?.stop();
    await Promise.all([links?.REST.stop(), links?.['host to Redis'].stop()]);
  });

  /** Everything that would say a secret if anything did: apply, enrol, deliver, report, alert, read. */
  async function playAFleet(): Promise<void> {
    const { caFile, caFingerprint } = rig.files;
    const url = `https://127.0.0.1:${links.REST.port}`;
    const rest = new Rest(url, await readFile(caFile, 'utf8'), rig.token);
    const labels = { 'needle-label-7c1': 'needle-label-7c1' };
    await rest.post('/v1/apply', blockPolicy(secrets.policy, secrets.path, labels));
    await rest.post('/v1/apply', group(secrets.group, labels));
    const made = await rest.post('/v1/join-tokens', { labels, uses: 2 });
    const token = String(made.body['token']);
    agent = await RealAgent.enrol(url, caFingerprint, token, secrets.host);
    agent.start();
    await alertOfAnotherHost(rest, token);
    await eventually('the agent has reported', 2 * MINUTE, async () =>
      /"state":"(audited|observed|unsupported|enforced|pending|failed)"/.test(
        (await rest.get(`/v1/nodes/${secrets.host}/status`)).text,
      ),
    );
    await rest.get(`/v1/policies/${secrets.policy}/status`);
  }

  async function alertOfAnotherHost(rest: Rest, token: string): Promise<void> {
    const host = new TestHost('needle-second-7c1', rest);
    await host.enroll(token);
    const to = {
      port: links['host to Redis'].port,
      tls: { ca: await readFile(rig.files.redis.ca, 'utf8') },
    };
    const connection = connectRedis({ ...to, ...host.redisLogin });
    try {
      host.attach(connection);
      await host.receives(secrets.policy);
      await host.report();
      const batch = alertBatch(secrets.policy, 1, 3);
      const alerts = batch.alerts.map((alert) => ({ ...alert, Resource: secrets.alert }));
      await host.send({ ...batch, alerts });
      await eventually('the alert is stored', MINUTE, async () =>
        (await rest.get('/v1/alerts')).text.includes(secrets.alert),
      );
    } finally {
      connection.close();
    }
  }

  it.each(['REST', 'host to Redis', 'control plane to Redis', 'etcd'] as const)(
    'ATTACKER: network, records %s: not one policy path, name, label, host or alert is readable, and every byte is TLS',
    (link) => {
      const recorded = recordings[link];
      const bytes = everything(recorded);
      expect(recorded.length).toBeGreaterThan(0);
      expect(bytes.length).toBeGreaterThan(2_000);
      expect(leaks(bytes, [...Object.values(secrets), rig.token])).toEqual([]);
      expect(recorded.map(notTls).filter((found) => found !== undefined)).toEqual([]);
    },
  );

  it('ATTACKER: the same recorder finds each of these words where a link is in clear', () => {
    const bytes = Buffer.from(`GET ${secrets.path} ${btoa(`x${secrets.policy}`)}`);
    expect(leaks(bytes, [secrets.path, secrets.policy])).toEqual([
      `${secrets.path} (clear)`,
      `${secrets.policy} (base64 at 1)`,
    ]);
    expect(notTls({ toTarget: [bytes], toClient: [] })).toContain('at 0: GET');
  });
});

describe('an attacker who reaches every port of `up`', () => {
  let product: Product;
  let ports: ReadonlyMap<number, number>;
  beforeAll(async () => {
    product = await Product.up({ localAgent: true });
    const { pid, children } = await product.record();
    ports = await listenersOf([pid, ...Object.values(children)]);
  });
  afterAll(() => product?.down());

  const HTTP2 = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  ]);
  const GET = Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');

  it('ATTACKER: network, looks for listeners: those of the control plane, Redis and etcd are there, the agent has none', async () => {
    const { children } = await product.record();
    const listening = new Set([...ports.keys()].map((port) => programOf(port, { children })));
    const { agent: _agent, ...servers } = children;
    expect([...listening].sort()).toEqual(Object.keys(servers).sort());
  });

  it.each<[string, Buffer]>([
    ['a PING of Redis', Buffer.from('*1\r\n$4\r\nPING\r\n')],
    ['an inline PING of Redis', Buffer.from('PING\r\n')],
    ['an HTTP request', GET],
    ['the preface of gRPC', HTTP2],
  ])('ATTACKER: network, sends %s in clear to every port: refused', async (_what, bytes) => {
    const answers = await Promise.all(
      [...ports.keys()].map((port) => sayInClear(port, bytes, SILENCE_MS)),
    );
    expect(answers.map(meaning).filter((said) => said !== 'nothing' && said !== 'refused')).toEqual(
      [],
    );
  });

  it('ATTACKER: network, wants an older TLS: every port speaks 1.3 and no other', async () => {
    const wanted = [...ports.keys()].map(async (port) => ({
      program: programOf(port, await product.record()),
      older: await handshake(port, 'TLSv1.2'),
    }));
    for (const { program, older } of await Promise.all(wanted))
      expect({ program, older }).toEqual({ program, older: expect.not.stringMatching(/^TLSv1/) });
  });

  it('ATTACKER: network, has no certificate of a client: etcd and its peer port tell nothing', async () => {
    const { children } = await product.record();
    const etcd = [...ports].filter(([, pid]) => pid === children['etcd']).map(([port]) => port);
    const request = 'GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const answers = await Promise.all(etcd.map((port) => sayInTls(port, request, SILENCE_MS)));
    expect(answers.map(String)).toEqual(['', '']);
  });

  it('ATTACKER: network, speaks TLS to Redis without a password: knows no user, sees nothing', async () => {
    const record = await product.record();
    const redis = [...ports.keys()].filter((port) => programOf(port, record)?.startsWith('redis'));
    expect(redis.length).toBeGreaterThan(0);
    const words = 'KEYS *\r\nINFO\r\nACL WHOAMI\r\n';
    for (const answer of await Promise.all(redis.map((port) => sayInTls(port, words, SILENCE_MS))))
      expect(answer.toString()).toMatch(/^(-NOAUTH [^\r]*\r\n){3}$/);
  });

  function programOf(port: number, { children }: { children: Readonly<Record<string, number>> }) {
    return Object.keys(children).find((name) => children[name] === ports.get(port));
  }
});

/** What an answer in clear amounts to: silence, a TLS alert or Go's refusal in words, or something that was served. */
function meaning(answer: Buffer): string {
  if (answer.length === 0) return 'nothing';
  if (answer[0] === 21 && answer[1] === 3) return 'refused';
  const text = answer.toString('latin1');
  return /^HTTP\/1\.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server\.\n$/.test(
    text,
  )
    ? 'refused'
    : text;
}

describe('an attacker who speaks to the REST API', () => {
  let rig: Rig;
  let port: number;
  beforeAll(async () => {
    rig = await Rig.start();
    port = Number(new URL(rig.rest.url).port);
  });
  afterAll(() => rig?.stop());

  const NAME = 'smuggled';
  const yaml = blockPolicy(NAME, '/usr/bin/nc', { env: 'prod' });
  const inJson = JSON.stringify({
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name: NAME },
    spec: {
      nodeSelector: { matchLabels: { env: 'prod' } },
      process: { matchPaths: [{ path: '/usr/bin/nc' }] },
      action: 'Block',
    },
  });

  /** Names of all policies that are stored. */
  async function stored(): Promise<readonly string[]> {
    const { items } = (await rig.rest.get('/v1/policies')).body as unknown as {
      items: { name: string }[];
    };
    return items.map(({ name }) => name);
  }

  async function raw(headers: readonly string[], body: string): Promise<string> {
    const head = ['POST /v1/apply HTTP/1.1', 'Host: x', ...headers].join('\r\n');
    const answer = await sayInTls(port, `${head}\r\n\r\n${body}`, SILENCE_MS);
    return answer.toString('latin1').split('\r\n')[0] ?? '';
  }

  it.each<[string, readonly string[], string]>([
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6'], 'hello!'],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['two encodings', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    ['a length that is none', ['Content-Length: +5'], 'hello'],
    ['a header name with a space', ['Content-Length : 5'], 'hello'],
    ['a folded header', ['X-A: b', ' Content-Length: 5'], 'hello'],
  ])(
    'ATTACKER: network, smuggles a request by %s: 400 and the connection ends',
    async (...args) => {
      const [, headers, body] = args;
      const second = `GET /v1/policies HTTP/1.1\r\nHost: x\r\n\r\n`;
      expect(await raw(headers, body + second)).toBe('HTTP/1.1 400 Bad Request');
    },
  );

  it('ATTACKER: operator without a permission, sends two content types: one reading, and the token still counts', async () => {
    const types = ['Content-Type: application/json', 'Content-Type: application/yaml'];
    const length = `Content-Length: ${Buffer.byteLength(yaml)}`;
    expect(await raw([...types, length], yaml)).toContain(' 401 ');
    const token = `Authorization: Bearer ${rig.token}`;
    // The first type counts: YAML that says to be JSON is no JSON.
    expect(await raw([...types, length, token], yaml)).toMatch(/ (400|415|422) /);
    expect(await stored()).toEqual([]);
  });

  it.each<[string, string, Sent, number]>([
    ['multipart', yaml, { type: 'multipart/form-data; boundary=x' }, 415],
    ['a form', yaml, { type: 'application/x-www-form-urlencoded' }, 415],
    ['an unknown type', yaml, { type: 'application/x-java-serialized-object' }, 415],
    ['JSON with a comma of YAML', `${inJson},`, { type: 'application/json' }, 422],
    ['YAML as JSON', yaml, { type: 'application/json' }, 422],
    ['a type within a type', yaml, { type: 'text/html; x="application/yaml"' }, 415],
  ])('ATTACKER: operator, hides a policy in %s: refused', async (_how, body, sent, status) => {
    expect((await rig.rest.post('/v1/apply', body, sent)).status).toBe(status);
    expect(await stored()).toEqual([]);
  });

  it.each<[string, string]>([
    ['a tag that runs code', `x: !!js/function 'function(){}'\n${yaml}`],
    ['a tag in a value', yaml.replace('/usr/bin/nc', '!!js/function "() => 1"')],
    ['a Python tag', yaml.replace('/usr/bin/nc', '!!python/object/apply:os.system ["id"]')],
    ['a binary tag', yaml.replace('/usr/bin/nc', '!!binary L3Vzci9iaW4vbmM=')],
    ['a merge key', yaml.replace('spec:', 'spec:\n  <<: { action: Allow }')],
    ['an alias of what it stands in', yaml.replace('spec:', 'spec: &s\n  self: *s')],
    ['aliases of aliases', bomb()],
    ['a prototype', `__proto__: { x: 1 }\n${yaml}`],
    ['a key twice', `${yaml}  action: Allow\n`],
    ['an older YAML', `%YAML 1.1\n---\n${yaml}`],
  ])(
    'ATTACKER: operator, sends YAML with %s: refused with its place, nothing stored',
    async (...args) => {
      const [, body] = args;
      const answer = await rig.rest.post('/v1/apply', body);
      expect([answer.status, answer.text]).toEqual([422, expect.stringMatching(/line|field|path/)]);
      expect(await stored()).toEqual([]);
      expect(Object.prototype).not.toHaveProperty('x');
    },
  );

  it.each([
    '../key',
    '..%2f..%2fkey%2fonline',
    '%2e%2e%2fkey',
    'a%00b',
    'a%0d%0aX-Injected:%20b',
    'a%2fb',
    'ä',
    'аdmin',
    `${'a'.repeat(254)}`,
    '.',
    'a..b',
    '%ff',
    '%',
    'a;b',
  ])(
    'ATTACKER: operator, names things %j: no key outside its place is read or written',
    async (name) => {
      const before = await keys();
      const encoded = /^[\x21-\x7e]+$/.test(name) ? name : encodeURIComponent(name);
      for (const kind of ['policies', 'groups', 'nodes']) {
        const read = await rig.rest.get(`/v1/${kind}/${encoded}`);
        const written = await rig.rest.put(`/v1/${kind}/${encoded}`, yaml);
        const removed = await rig.rest.delete(`/v1/${kind}/${encoded}`);
        for (const { status, text } of [read, written, removed]) {
          expect([400, 404, 405, 414, 415, 422]).toContain(status);
          expect(text).not.toContain('-----BEGIN');
        }
      }
      const plain = decodeURIComponentOr(name);
      for (const document of [yaml, group(NAME, { a: 'b' })])
        expect(
          (await rig.rest.post('/v1/apply', document.replace(NAME, JSON.stringify(plain)))).status,
        ).toBe(422);
      expect(await keys()).toEqual(before);
    },
  );

  async function keys(): Promise<readonly string[]> {
    const { etcd } = rig.files;
    const credentials = {
      ca: await readFile(etcd.ca),
      cert: await readFile(etcd.cert),
      key: await readFile(etcd.key),
    };
    const hosts = [`https://127.0.0.1:${rig.etcd.port}`];
    const store = EtcdStore.connect({
      hosts,
      credentials,
      callTimeoutMs: 20_000,
    });
    try {
      // The audit log counts refusals; what it says is not under a name of the caller's.
      const { items } = await store.list('/');
      return items.map((item) => item.key).filter((name) => !name.includes('/audit-log'));
    } finally {
      store.close();
    }
  }

  it('ATTACKER: network, sends a body without an end: cut off at the bound', async () => {
    const token = `Authorization: Bearer ${rig.token}`;
    const type = 'Content-Type: application/yaml';
    const chunk = `${(1 << 20).toString(16)}\r\n${'#'.repeat(1 << 20)}\r\n`;
    expect(await raw([token, type, 'Transfer-Encoding: chunked'], chunk.repeat(12))).toContain(
      ' 413 ',
    );
    expect(await raw([token, type, 'Content-Length: 99999999999'], 'a')).toContain(' 413 ');
    expect(await raw([`X-Long: ${'a'.repeat(1 << 20)}`], '')).toContain(' 431 ');
    expect((await rig.rest.get('/healthz')).status).toBe(200);
  });

  it('ATTACKER: network, has no token and a large body: answered before it is there, on open routes too', async () => {
    const begun = async (path: string, body: string): Promise<string> => {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json`;
      const answer = await sayInTls(port, `${head}\r\n${body}`, MINUTE);
      return answer.toString('latin1').split('\r\n')[0] ?? '';
    };
    const announced = 'Content-Length: 8000000\r\n\r\n';
    const without = `Transfer-Encoding: chunked\r\n\r\n10001\r\n${'#'.repeat(0x10001)}`;
    expect(await begun('/v1/apply', announced)).toContain(' 401 ');
    for (const body of [announced, without])
      for (const path of ['/v1/enroll', '/v1/login', '/v1/nothing'])
        expect([path, await begun(path, body)]).toEqual([path, expect.stringContaining(' 413 ')]);
  });

  it('ATTACKER: network, holds 300 requests open byte by byte: others are served, and each is cut off', async () => {
    const head = 'POST /v1/apply HTTP/1.1\r\nHost: x\r\n';
    const bodies = `${head}Authorization: Bearer ${rig.token}\r\nContent-Type: application/yaml\r\nContent-Length: 1000000\r\n\r\n`;
    const drips = Array.from(
      { length: 300 },
      (_, i) => new Drip(port, i % 2 === 0 ? bodies : `${head}X-Slow: `, 1_000),
    );
    try {
      for (let i = 0; i < 20; i++) expect((await rig.rest.get('/healthz')).status).toBe(200);
      const cut = await Promise.all(drips.map((drip) => drip.cut));
      expect(Math.max(...cut.map(({ afterMs }) => afterMs))).toBeLessThan(MINUTE);
      expect(await stored()).toEqual([]);
    } finally {
      for (const drip of drips) drip.end();
    }
  });
});

/** A document whose aliases would unfold to a billion values. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, i) => {
    const name = `a${i + 1}: &a${i + 1} `;
    return `${name}[${Array(10).fill(`*a${i}`).join(', ')}]`;
  });
  return ['a0: &a0 x', ...levels].join('\n');
}

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
asRoot('a local user on a host, at the socket of the sensor (needs root to become others)', () => {
  let host: SensorHost;
  beforeAll(async () => {
    host = await SensorHost.create();
    await host.start();
    await chmod(host.dir, 0o755);
  });
  afterAll(() => host?.close());

  /** Connects as another user, says this, and tells what came back: `EACCES`, `closed`, or a number of bytes. */
  function asUser(uid: number, frame: Uint8Array): Promise<string> {
    const code = `const s=require('node:net').connect(process.argv[1]);let n=0;
      s.on('data',(c)=>{n+=c.length;s.destroy()});
      s.on('error',(e)=>console.log(e.code));
      s.on('close',(bad)=>bad||console.log(n===0?'closed':'answered'));
      s.write(Buffer.from(process.argv[2],'hex'))`;
    const hex = Buffer.from(frame).toString('hex');
    const child = spawn(execPath, ['-e', code, host.socket, hex], { uid, gid: uid });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return new Promise((resolve) => child.once('close', () => resolve(said.trim())));
  }
  const hello = encodeFrame(MSG.HELLO, 1, [textField(TAG.VERSION, '0.1.0')]);
  const off = encodeFrame(MSG.SUSPEND, 1, [
    textField(TAG.MODE, 'off'),
    numberField(TAG.UNTIL, Date.now() + MINUTE),
    textField(TAG.REASON, 'mine'),
  ]);

  it('ATTACKER: local user, connects: the file of the socket keeps him out', async () => {
    for (const frame of [hello, off]) expect(await asUser(NOBODY, frame)).toBe('EACCES');
  });

  it('ATTACKER: local user, connects where the file lets everybody in: closed without a word, by who he is', async () => {
    await chmod(host.socket, 0o666);
    for (const frame of [
      hello,
      off,
      encodeFrame(MSG.UNLOAD, 1, []),
      encodeFrame(MSG.STATUS, 1, []),
    ])
      expect(await asUser(NOBODY, frame)).toMatch(/^(closed|EPIPE|ECONNRESET)$/);
    await chmod(host.socket, 0o660);
    expect((await host.sensor().status()).suspension).toBeUndefined();
  });

  it('ATTACKER: local user, takes every place at the socket: the agent and root still get theirs', async () => {
    await chmod(host.socket, 0o666);
    const tries = await Promise.all(Array.from({ length: 20 }, () => asUser(NOBODY, hello)));
    expect(tries.every((said) => /^(closed|EPIPE|ECONNRESET)$/.test(said))).toBe(true);
    await chmod(host.socket, 0o660);
    const client = await RawClient.connect(host.socket);
    expect((await client.ask(MSG.STATUS, [])).type).toBe(MSG.STATUS_OK);
    client.destroy();
  });
});
