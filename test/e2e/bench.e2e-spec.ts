import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectRoot } from './support/product.js';

const TIMEOUT_MS = 900_000;
/** As few agents, rounds and rules as show every case; what it measures is no business of a test. */
const ARGS = ['--agents=3', '--rounds=3', '--rules=1,100', '--idle=1s', '--json'];

interface Line {
  readonly bench: string;
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number | null;
  readonly ratio: number | null;
  readonly on: string;
}

let folder: string;
let lines: readonly Line[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-bench-e2e-'));
  lines = await bench('apply', ...ARGS);
}, TIMEOUT_MS);

/** What a bench tells, line by line, and what it says beside that. */
async function run(
  ...command: readonly string[]
): Promise<{ readonly told: readonly Line[]; readonly notes: string }> {
  const program = join(projectRoot, 'dist/apps/cli/src/main.js');
  const args = ['--disable-warning=ExperimentalWarning', program, 'bench', ...command];
  // Its own TMPDIR, so that what it leaves behind can be seen.
  const env = { ...process.env, TMPDIR: folder };
  const options = { env, timeout: TIMEOUT_MS };
  const { stdout, stderr } = await promisify(execFile)(execPath, args, options);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { told: lines.map((line) => JSON.parse(line) as Line), notes: stderr };
}

async function bench(...command: readonly string[]): Promise<readonly Line[]> {
  return (await run(...command)).told;
}

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('bench apply --json', () => {
  it('tells every case', () => {
    const cases = new Set(lines.map((line) => line.case));
    expect([...cases].sort()).toEqual(['compile', 'fleet', 'idle', 'one-agent']);
  });

  it('gives each value with its unit and on what it was measured', () => {
    for (const line of lines) {
      expect(line).toEqual({
        bench: 'apply',
        case: expect.any(String),
        metric: expect.any(String),
        value: expect.any(Number),
        unit: expect.stringMatching(/^(ms|MiB|% of a core)$/),
        baseline: expect.any(Number),
        ratio: line.baseline === 0 ? null : expect.any(Number),
        on: expect.stringMatching(/ x \d+, .*Linux .*Node .*etcd .*Redis /),
      });
    }
  });

  it('marks what others measured as not measured here', () => {
    const foreign = lines.filter(({ metric }) => metric.startsWith('KVMService'));
    expect(foreign).toHaveLength(3);
    expect(foreign.every(({ metric }) => metric.endsWith('(not measured here)'))).toBe(true);
  });

  it('leaves nothing behind', async () => {
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('bench lists --json', () => {
  it(
    'tells median and p99 of each question, beside a smaller fleet, and leaves nothing behind',
    async () => {
      const sizes = ['--nodes=100', '--policies=100', '--reporting=2', '--requests=3'];
      const { told: all, notes } = await run('lists', ...sizes, '--json');
      const of = (name: string) => all.filter((line) => line.case === name);
      const [told, memory] = [of('nodes=100, policies=100'), of('nodes=100, policies=100, memory')];
      expect(told.length + memory.length).toBe(all.length);
      const metrics = told.map(({ metric }) => metric);
      expect(metrics).toContain('status, all hosts, p99');
      expect(metrics.filter((metric) => metric.endsWith(', p50'))).toHaveLength(metrics.length / 2);
      for (const { value, unit, baseline } of told)
        expect([value > 0, unit, baseline]).toEqual([true, 'ms', expect.any(Number)]);
      expect(memory.map(({ metric }) => metric)).toEqual(
        ['control plane', 'etcd', 'redis', 'redis-events', 'all'].map((name) => `${name}, RSS`),
      );
      const [sum, ...parts] = memory.map(({ value }) => value).reverse();
      expect(sum).toBeGreaterThan(Math.max(...parts));
      expect(notes).toMatch(/aim: memory of all \(below 1 GB\) within 954 MiB: (met|MISSED)/);
      expect(await readdir(folder)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('bench fleet --json', () => {
  it(
    'tells changes, cost and the return of simulated hosts, and leaves nothing behind',
    async () => {
      const told = await bench('fleet', '--nodes=3', '--rounds=2', '--idle=1s', '--json');
      expect([...new Set(told.map((line) => line.case))]).toEqual(
        ['', ', 1 %', ', one host', ', costs', ', return'].map((hit) => `nodes=3${hit}`),
      );
      const of = (metric: string) => told.find((line) => line.metric === metric);
      for (const metric of ['last_delivery', 'commit_to_ack_p99', 'reconnect_all', 'rest_p99'])
        expect([metric, (of(metric)?.value ?? 0) > 0]).toEqual([metric, true]);
      expect(of('etcd_writes_per_change')?.value).toBe(1);
      expect(of('rest_refused')?.value).toBe(0);
      const ofReturn = told.filter((line) => line.case === 'nodes=3, return');
      for (const whose of ['control_plane', 'redis', 'simulation']) {
        const cpu = ofReturn.find(({ metric }) => metric === `cpu_per_host_${whose}`);
        expect([whose, (cpu?.value ?? 0) > 0]).toEqual([whose, true]);
      }
      expect(await readdir(folder)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('bench bootstrap --json', () => {
  it(
    'tells a first and a second run by each way, beside the transport alone, and leaves nothing behind',
    async () => {
      const told = await bench('bootstrap', '--hosts=1', '--vms=0', '--ways=ssh,script', '--json');
      expect(told.map((line) => [line.case, line.metric])).toEqual(
        ['ssh', 'script'].flatMap((way) =>
          ['enrolled', 'second run'].map((metric) => [`1 simulated host by ${way}`, metric]),
        ),
      );
      for (const { value, unit, baseline } of told)
        expect([value > 0, unit, baseline]).toEqual([true, 's', expect.any(Number)]);
      expect(await readdir(folder)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('bench sensor --native --json', () => {
  it(
    'tells what a table takes, and the reader of records, and how long a swap is, or why this kernel shows neither of these',
    async () => {
      const { told, notes } = await run('sensor', '--native', '--json');
      const refused = /natively: not measured: the kernel takes no program from us: .+/.exec(notes);
      if (refused) process.stdout.write(`${refused[0]}\n`);
      const wanted = refused ? ['table'] : ['table', 'records', 'swap'];
      const cases = wanted.map((what) => `${what}, natively`);
      expect([...new Set(told.map((line) => line.case))]).toEqual(cases);
      for (const { metric, value, on } of told)
        expect([value > 0 || metric === 'lost_at_half', on]).toEqual([
          true,
          expect.stringContaining('Linux'),
        ]);
      expect(await readdir(folder)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
