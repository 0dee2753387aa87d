import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attestationMessage } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { parseCertificate } from '#pki';
import { Pkcs10CertificateRequestGenerator } from '../../libs/pki/src/x509.js';
import { attestedBySshHostKey } from '../../apps/agent/src/enrollment/ssh-attestation.js';
import type { Answer } from '../../apps/control-plane/src/testing/rest.js';
import { Rig, blockPolicy, group } from '../../apps/control-plane/src/testing/rig.js';
import { alertBatch } from '../../apps/control-plane/src/testing/alerts.js';
import { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../e2e/support/eventually.js';

const WITHIN_MS = 120_000;

let rig: Rig;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-attack-'));
  rig = await Rig.start();
});
afterAll(async () => {
  await rig.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function token(body: object = {}): Promise<string> {
  return String((await rig.rest.post('/v1/join-tokens', body)).body['token']);
}

async function usesLeft(joinToken: string): Promise<number> {
  const id = joinToken.split('_')[1] ?? '';
  return Number((await rig.rest.get(`/v1/join-tokens/${id}`)).body['usesLeft']);
}

async function certificatesIssued(): Promise<number> {
  const { text } = await rig.rest.get('/metrics');
  return Number(/^hostward_host_certificates_issued_total (\d+)/m.exec(text)?.[1] ?? 0);
}

async function isOver(joinToken: string): Promise<boolean> {
  const id = joinToken.split('_')[1] ?? '';
  const { expiresAt } = (await rig.rest.get(`/v1/join-tokens/${id}`)).body;
  return Date.now() > Date.parse(String(expiresAt));
}

/** Sends a request as anybody can who has it. */
const send = (request: EnrollRequest, headers: Record<string, string> = {}): Promise<Answer> =>
  rig.rest.post('/v1/enroll', request, { token: null, headers });

const phase = async (name: string): Promise<unknown> =>
  (await rig.rest.get(`/v1/nodes/${name}`)).body['phase'];

describe('ATTACKER: network, has a join token that was meant for another machine', () => {
  it('ATTACKER: uses a token of one use a hundred times at once: exactly one gets in', async () => {
    const joinToken = await token();
    const hosts = Array.from({ length: 100 }, (_, i) => new TestHost(`race-${i}`, rig.rest));
    const answers = await Promise.all(hosts.map((host) => host.enrollAtLast(joinToken)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 403)).toHaveLength(99);
    expect(await usesLeft(joinToken)).toBe(0);
  });

  it('ATTACKER: uses it again after its host: refused, also under the name and with the token of that host', async () => {
    const joinToken = await token();
    const owner = new TestHost('first-user', rig.rest);
    expect((await owner.enroll(joinToken)).status).toBe(200);
    for (const name of ['first-user', 'second-user']) {
      const answer = await new TestHost(name, rig.rest).enroll(joinToken);
      expect([name, answer.status, answer.text]).toEqual([
        name,
        403,
        expect.stringContaining('used up'),
      ]);
    }
    expect((await owner.enroll(joinToken)).status).toBe(200);
  });

  it('ATTACKER: uses it from outside its networks, whatever he says about where he is: refused, and costs no use', async () => {
    const joinToken = await token({ cidrs: ['10.0.0.0/8', '2001:db8::/32'] });
    const host = new TestHost('outside', rig.rest);
    const lies: readonly Record<string, string>[] = [
      {},
      { 'x-forwarded-for': '10.1.2.3' },
      { forwarded: 'for=10.1.2.3' },
      { 'x-real-ip': '10.1.2.3' },
    ];
    for (const headers of lies) {
      const answer = await send(await host.request(joinToken), headers);
      expect([headers, answer.status, answer.text]).toEqual([
        headers,
        403,
        expect.stringContaining('you come from 127.0.0.1'),
      ]);
    }
    expect(await usesLeft(joinToken)).toBe(1);
    const here = await token({ cidrs: ['192.0.2.0/24', '127.0.0.0/8'] });
    expect((await host.enroll(here)).status).toBe(200);
  });

  it('ATTACKER: shows tokens that let nobody in, a hundred times: for none of it a certificate is ever made', async () => {
    const used = await token();
    expect((await new TestHost('its-user', rig.rest).enroll(used)).status).toBe(200);
    const gone = await token();
    await rig.rest.delete(`/v1/join-tokens/${gone.split('_')[1] ?? ''}`);
    const elsewhere = await token({ cidrs: ['10.0.0.0/8'] });
    const proof = await token({ attest: 'ssh-host-key' });
    const short = await token({ ttlMs: 1_000 });
    const late = new TestHost('late', rig.rest);
    const before = await certificatesIssued();
    for (let round = 0; round < 25; round += 1) {
      for (const joinToken of [used, gone, elsewhere, proof]) {
        const answer = await new TestHost(`refused-${round}`, rig.rest).enroll(joinToken);
        expect([401, 403]).toContain(answer.status);
        expect(answer.text).not.toContain('BEGIN CERTIFICATE');
      }
    }
    await eventually('expired', WITHIN_MS, () => isOver(short));
    expect((await late.enroll(short)).status).toBe(403);
    expect(await certificatesIssued()).toBe(before);
  });

  it('ATTACKER: loses no answer, the host does: it tries again with a token that is used up, and gets in', async () => {
    const joinToken = await token();
    const host = new TestHost('lost-answer', rig.rest);
    const request = await host.request(joinToken);
    const before = await certificatesIssued();
    const answers = await Promise.all([send(request), send(request), send(request)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await certificatesIssued()).toBe(before + 3);
    expect(await usesLeft(joinToken)).toBe(0);
  });

  it('ATTACKER: sends a request of which no certificate can be made: refused before a use is counted', async () => {
    const joinToken = await token();
    const host = new TestHost('no-csr', rig.rest);
    const csr = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n';
    expect((await send(await host.request(joinToken, {}, csr))).status).toBe(400);
    expect(await usesLeft(joinToken)).toBe(1);
    expect((await rig.rest.get('/v1/nodes/no-csr')).status).toBe(404);
  });

  it('shows the networks and the proof of a token to its operator, and refuses what is no network', async () => {
    const id = (await token({ cidrs: ['10.0.0.1'], attest: 'ssh-host-key' })).split('_')[1] ?? '';
    const shown = (await rig.rest.get(`/v1/join-tokens/${id}`)).body;
    expect(shown).toMatchObject({ cidrs: ['10.0.0.1/32'], attest: 'ssh-host-key' });
    for (const cidrs of [['10.0.0.0/40'], ['everywhere'], 'x', [1]])
      expect((await rig.rest.post('/v1/join-tokens', { cidrs })).status).toBe(400);
    expect((await rig.rest.post('/v1/join-tokens', { attest: 'word-of-honour' })).status).toBe(400);
  });
});

describe('ATTACKER: has a join token of one group, or of somebody with a scope, and wants a host elsewhere', () => {
  const declared = (name: string, labels: string): string =>
    `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: { name: ${name}, labels: { ${labels} } }\n`;
  const joins = (name: string, joinToken: string): Promise<Answer> =>
    new TestHost(name, rig.rest).enroll(joinToken);

  beforeAll(async () => {
    const groups = [group('bound-web', { tier: 'web' }), group('bound-a', { team: 'a' })];
    expect((await rig.rest.post('/v1/apply', groups.join('---\n'))).status).toBe(200);
  });

  it('makes a token for groups only where its labels lead into each of them', async () => {
    const create = (body: object): Promise<Answer> => rig.rest.post('/v1/join-tokens', body);
    for (const body of [
      { groups: ['bound-web'] },
      { groups: ['bound-web', 'bound-a'], labels: { tier: 'web' } },
      { groups: ['no-such-group'], labels: { tier: 'web' } },
      { groups: [7] },
      { groups: 'bound-web', labels: { tier: 'web' } },
    ])
      expect([body, (await create(body)).status]).toEqual([body, 400]);
    const good = await create({
      groups: ['bound-web', 'bound-a'],
      labels: { tier: 'web', team: 'a' },
    });
    expect([good.status, good.body['groups']]).toEqual([201, ['bound-web', 'bound-a']]);
    expect((await joins('bound-1', String(good.body['token']))).status).toBe(200);
    const { text } = await rig.rest.get('/v1/groups/bound-web/members');
    expect(text).toContain('bound-1');
  });

  it('ATTACKER: takes the name of a host that was declared for another group: refused, and costs no use', async () => {
    const declaredNode = await rig.rest.put('/v1/nodes/bound-db', declared('bound-db', 'tier: db'));
    expect(declaredNode.status).toBe(201);
    const joinToken = await token({ groups: ['bound-web'], labels: { tier: 'web' } });
    const answer = await joins('bound-db', joinToken);
    expect([answer.status, answer.text]).toEqual([
      403,
      expect.stringContaining('the group bound-web, which does not select bound-db'),
    ]);
    expect(await usesLeft(joinToken)).toBe(1);
  });

  it('ATTACKER: uses it after its group was changed or deleted: refused until the group selects again', async () => {
    expect((await rig.rest.post('/v1/apply', group('bound-c', { team: 'c' }))).status).toBe(200);
    const joinToken = await token({ groups: ['bound-c'], labels: { team: 'c' } });
    await rig.rest.post('/v1/apply', group('bound-c', { team: 'd' }));
    expect((await joins('bound-2', joinToken)).status).toBe(403);
    await rig.rest.delete('/v1/groups/bound-c');
    expect((await joins('bound-2', joinToken)).text).toContain('not there any more');
    await rig.rest.post('/v1/apply', group('bound-c', { team: 'c' }));
    expect((await joins('bound-2', joinToken)).status).toBe(200);
  });

  it('ATTACKER: operator of one team, by a token of his own enrols under a name declared for the other: refused', async () => {
    const order = { name: 'team-a', roles: ['operator'], selector: 'team=a' };
    const operator = String((await rig.rest.post('/v1/api-tokens', order)).body['token']);
    const as = { token: operator };
    const made = await rig.rest.post('/v1/join-tokens', { labels: { team: 'a' }, uses: 2 }, as);
    expect(made.status).toBe(201);
    await rig.rest.put('/v1/nodes/of-team-b', declared('of-team-b', 'team: b'));
    const answer = await joins('of-team-b', String(made.body['token']));
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('scope team=a')]);
    expect((await joins('of-team-a', String(made.body['token']))).status).toBe(200);
    for (const labels of [{}, { team: 'b' }])
      expect((await rig.rest.post('/v1/join-tokens', { labels }, as)).status).toBe(403);
  });
});

describe('ATTACKER: enrolled host, wants to be another one', () => {
  it('ATTACKER: asks for a certificate in the name of another: gets one in its own', async () => {
    const victim = await rig.host('csr-victim');
    const joinToken = await token({ uses: 5 });
    const attacker = new TestHost('csr-attacker', rig.rest);
    const csr = await csrFor(victim.nodeId);
    const answer = await send(await attacker.request(joinToken, {}, csr));
    expect(answer.status).toBe(200);
    expect(parseCertificate(String(answer.body['certificate'])).commonName).toBe(attacker.nodeId);
  });

  it('ATTACKER: takes the name of another, or its keys without owning them: refused', async () => {
    const victim = await rig.host('name-victim');
    const joinToken = await token({ uses: 5 });
    expect((await new TestHost('name-victim', rig.rest).enroll(joinToken)).status).toBe(409);
    const theirs = await victim.request(joinToken);
    const mine = await new TestHost('name-thief', rig.rest).request(joinToken);
    const { signingKey } = theirs;
    expect((await send({ ...mine, signingKey })).status).toBe(400);
    expect(await usesLeft(joinToken)).toBe(5);
  });

  it('ATTACKER: replays the enrolment of another: gets nothing that works without its keys, and costs no use', async () => {
    const joinToken = await token({ uses: 2 });
    const victim = new TestHost('replayed', rig.rest);
    const recorded = await victim.request(joinToken);
    expect((await send(recorded)).status).toBe(200);
    const again = await send(recorded);
    expect([again.status, again.body['nodeId']]).toEqual([200, victim.nodeId]);
    for (const over of [{ name: 'replayed-too' }, { redisSecretHash: 'ab'.repeat(32) }])
      expect((await send({ ...recorded, ...over })).status).toBe(400);
    expect(await usesLeft(joinToken)).toBe(1);
    await rig.rest.post('/v1/nodes/replayed/revoke', { reason: 'test' });
    expect((await send(recorded)).status).toBe(403);
  });
});

describe('ATTACKER: has a token, and pretends to be a machine that the operator knows by its ssh host key', () => {
  const keyFile = (name: string): string => join(folder, name);
  const publicKey = (name: string): string => readFileSync(`${keyFile(name)}.pub`, 'utf8').trim();
  let joinToken: string;

  beforeAll(async () => {
    for (const name of ['known', 'stranger'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile(name)]);
    joinToken = await token({ uses: 20, attest: 'ssh-host-key' });
    for (const name of ['known', 'other-known']) {
      const declared = await rig.rest.put(`/v1/nodes/${name}`, machine(name, publicKey('known')));
      expect(declared.status).toBe(201);
    }
  });

  it('ATTACKER: proves nothing, or by a key of his own, or for a host that nobody declared: refused', async () => {
    const host = new TestHost('known', rig.rest);
    const plain = await host.request(joinToken);
    const wrong = await attestedBySshHostKey(plain, keyFile('stranger'));
    const undeclared = await new TestHost('nobody', rig.rest).request(joinToken);
    for (const [request, why] of [
      [plain, 'demands a proof'],
      [wrong, 'is not the signature'],
      [await attestedBySshHostKey(undeclared, keyFile('known')), 'none is declared'],
    ] as const) {
      const answer = await send(request);
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining(why)]);
    }
    expect(await usesLeft(joinToken)).toBe(20);
  });

  it('ATTACKER: uses what the real key signed for other keys, another name or another purpose: refused', async () => {
    const theirs = await attestedBySshHostKey(
      await new TestHost('known', rig.rest).request(joinToken),
      keyFile('known'),
    );
    const mine = await new TestHost('known', rig.rest).request(joinToken);
    const elsewhere = await new TestHost('other-known', rig.rest).request(joinToken);
    const forGit = execFileSync(
      'ssh-keygen',
      ['-Y', 'sign', '-q', '-f', keyFile('known'), '-n', 'git'],
      {
        input: attestationMessage(mine),
        encoding: 'utf8',
      },
    );
    for (const request of [
      { ...mine, attestation: theirs.attestation },
      { ...elsewhere, attestation: theirs.attestation },
      { ...mine, attestation: { kind: 'ssh-host-key', proof: forGit } } as const,
    ]) {
      const answer = await send(request);
      expect([answer.status, answer.text]).toEqual([
        403,
        expect.stringContaining('not the signature'),
      ]);
    }
    expect(await usesLeft(joinToken)).toBe(20);
  });

  it('lets the real machine in, and shows how it proved itself', async () => {
    const host = new TestHost('known', rig.rest);
    const proven = await attestedBySshHostKey(await host.request(joinToken), keyFile('known'));
    expect((await send(proven)).status).toBe(200);
    expect((await rig.rest.get('/v1/nodes/known')).body).toMatchObject({
      phase: 'enrolled',
      attested: 'ssh-host-key',
      labels: { env: 'prod' },
    });
  });

  it('refuses a key that is none, or a mark that is misspelt, when it is declared', async () => {
    for (const document of [
      machine('bad-key', 'ssh-rsa AAAA'),
      machine('bad-key', publicKey('known'), 'hostward.io/ssh-hostkey'),
    ])
      expect((await rig.rest.put('/v1/nodes/bad-key', document)).status).toBe(422);
  });
});

describe('ATTACKER: ex-administrator of a hypervisor, has a copy of a host’s disk', () => {
  it('ATTACKER: starts it beside the original and reports that all is well: both are flagged, his word does not count', async () => {
    await rig.rest.post('/v1/apply', blockPolicy('watched', '/usr/bin/nc', { disk: 'copied' }));
    const original = await rig.host('original', { disk: 'copied' });
    await original.receives('watched');
    await original.report('failed');
    await eventually('heard', WITHIN_MS, async () => (await state()) === 'failed');
    const copy = original.twin();
    copy.attach(rig.connectionOf(copy));
    await copy.receives('watched');
    await eventually('flagged', 2 * WITHIN_MS, async () => {
      await copy.report('enforced');
      await phase('original');
      await original.report('failed');
      return (await phase('original')) === 'cloned';
    });
    await original.report('failed');
    await eventually('the original counts', WITHIN_MS, async () => (await state()) === 'failed');
    await copy.report('enforced');
    await eventually('the copy is refused', WITHIN_MS, async () =>
      /reports_refused_total\{reason="clone"\} [1-9]/.test((await rig.rest.get('/metrics')).text),
    );
    expect(await state()).toBe('failed');
    await copy.send(alertBatch('told-by-the-copy', 1, 2));
    await eventually('its events are refused', WITHIN_MS, async () =>
      /batches_refused_total\{reason="clone"\} [1-9]/.test((await rig.rest.get('/metrics')).text),
    );
    expect((await rig.rest.get('/v1/alerts')).text).not.toContain('told-by-the-copy');
    const auditLog = await rig.rest.get('/v1/audit-log?limit=100');
    expect(auditLog.text).toContain('two machines report under this identity');
  });

  async function state(): Promise<unknown> {
    const { text } = await rig.rest.get('/v1/nodes/original/status');
    const { policies } = JSON.parse(text) as { policies: { state: string }[] };
    return policies[0]?.state;
  }
});

describe('ATTACKER: network, guesses', () => {
  it('ATTACKER: sends a thousand enrolments from one address: all but a burst are put off without being looked at', async () => {
    const host = new TestHost('guesser', rig.rest);
    const guess = await host.request('guess', { name: 'not-signed' });
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => send(guess)));
    // 200 at once and 50 a second: on a machine that needs so long, all may have their turn.
    const most = 201 + (Date.now() - began) / 20;
    const {
      400: looked = [],
      429: late = [],
      ...others
    } = Object.groupBy(answers, ({ status }) => status);
    expect(others).toEqual({});
    expect(looked.length).toBeLessThanOrEqual(most);
    for (const { headers } of late) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

/** A host as an operator declares it. */
function machine(name: string, sshHostKey: string, mark = 'hostward.io/ssh-host-key') {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorVirtualMachine',
    metadata: { name, labels: { env: 'prod' }, annotations: { [mark]: sshHostKey } },
  };
}

/** A request of a good key that names somebody else. */
async function csrFor(commonName: string): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
  });
  return `${request.toString('pem')}\n`;
}
