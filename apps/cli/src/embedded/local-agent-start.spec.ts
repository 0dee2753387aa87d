import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemAnswer } from '../client/problem-answer.js';
import { startLocalAgent, type AgentStart } from './local-agent-start.js';

const problem = (status: number) =>
  new ProblemAnswer(status, { type: 'about:blank', title: `answer ${status}`, status });

/** A control plane that answers everything by one thing. */
class FakeControlPlane {
  readonly asked: string[] = [];

  constructor(private readonly answer: () => unknown) {}

  // eslint-disable-next-line @typescript-eslint/require-await -- throws as the real one rejects
  async call<T>(path: string): Promise<T> {
    this.asked.push(path);
    const answer = this.answer();
    if (answer instanceof Error) throw answer;
    return answer as T;
  }
}

let dir = '';
let ran: string[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hostward-local-agent-'));
  ran = [];
});
afterEach(() => rm(dir, { recursive: true }));

async function enrolled(): Promise<void> {
  await mkdir(join(dir, 'state', 'trust'), { recursive: true });
  await writeFile(join(dir, 'state', 'trust', 'node-id'), 'id\n');
}

function start(controlPlane: FakeControlPlane, more: Partial<AgentStart> = {}) {
  const agent = { program: 'agent', dir, url: 'https://a:1', caFingerprint: 'f', name: 'me' };
  const run = (config: string): Promise<void> => {
    ran.push(config);
    return Promise.resolve();
  };
  const { signal } = new AbortController();
  const usual = { controlPlane, knowsToken: true, run, reportsWithinMs: 60_000, signal };
  return startLocalAgent(agent, { ...usual, ...more });
}

describe('the agent of this machine', () => {
  it('that is enrolled runs without anybody who could ask for its report', async () => {
    await enrolled();
    const controlPlane = new FakeControlPlane(() => problem(401));
    expect(await start(controlPlane, { knowsToken: false })).toBeUndefined();
    expect([ran, controlPlane.asked]).toEqual([[join(dir, 'agent.yaml')], []]);
  });

  it('that is not is left out without a token, by which it would join', async () => {
    const controlPlane = new FakeControlPlane(() => problem(401));
    const why = await start(controlPlane, { knowsToken: false });
    expect(why).toMatch(/its token is not known here: .*up --reset-admin-token/);
    expect([ran, controlPlane.asked]).toEqual([[], []]);
  });

  it.each([401, 403, 507])('is left out where the control plane answers %d', async (status) => {
    const why = await start(new FakeControlPlane(() => problem(status)));
    expect(why).toMatch(new RegExp(`has not joined, so it runs none: answer ${status}: `));
    expect(ran).toEqual([]);
  });

  it('is left out where another one has its name', async () => {
    const why = await start(new FakeControlPlane(() => ({ nodeId: 'another' })));
    expect(why).toContain('hostward node offboard me');
    expect(ran).toEqual([]);
  });

  it('is well when it has reported since it started, asked again until it has', async () => {
    await enrolled();
    const answers = [problem(503), {}, { asOf: '2020-01-01T00:00:00Z' }];
    const reported = { asOf: '2999-01-01T00:00:00Z' };
    expect(await start(new FakeControlPlane(() => answers.shift() ?? reported))).toBeUndefined();
    expect([ran.length, answers]).toEqual([1, []]);
  });

  it.each([401, 403])('is asked for once where the token gets %d', async (status) => {
    await enrolled();
    const controlPlane = new FakeControlPlane(() => problem(status));
    const why = await start(controlPlane);
    expect(why).toMatch(/it runs; whether it reports is not told to this token/);
    expect(controlPlane.asked).toEqual(['/v1/nodes/me']);
  });

  it('is not well where it has not reported in time', async () => {
    await enrolled();
    const why = await start(new FakeControlPlane(() => ({})), { reportsWithinMs: 1 });
    expect(why).toBe(
      'agent: host me has not reported since its agent started; see agent.log in the data folder',
    );
  });
});
