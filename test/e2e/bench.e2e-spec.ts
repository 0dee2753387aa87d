import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOOLS } from './support/running-command.js';

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
  const args = [...TOOLS, 'bench', ...command];
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
      expect(metrics).toContain('search: a part of names, p99');
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
  let kept: string;
  let told: readonly Line[];
  let notes: string;

  beforeAll(async () => {
    kept = await mkdtemp(join(tmpdir(), 'hostward-bench-kept-'));
    const record = `--record=${join(kept, 'slo.jsonl')}`;
    const sizes = ['--nodes=2,3', '--rounds=2', '--idle=1s'];
    ({ told, notes } = await run('fleet', ...sizes, record, '--json'));
  }, TIMEOUT_MS);

  afterAll(() => rm(kept, { recursive: true, force: true }));

  const ofCase = (name: string) => told.filter((line) => line.case === name);

  it('tells each fleet and how times grow with hosts, and leaves nothing behind', async () => {
    const ofFleet = ['', ', confirmation', ', 1 %', ', one host', ', return'];
    expect([...new Set(told.map((line) => line.case))]).toEqual([
      ...[2, 3].flatMap((nodes) => ofFleet.map((hit) => `nodes=${nodes}${hit}`)),
      'slope',
    ]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('tells in one case of a fleet all that is aimed at, and says whether it was reached', () => {
    const of = (metric: string) => ofCase('nodes=3').find((line) => line.metric === metric);
    // Each beside a baseline: a bare publish, bare answers, bare connections.
    for (const metric of [
      'last_arrival',
      'last_delivery',
      'commit_to_ack_p50',
      'commit_to_ack_p99',
      'reconnect_all',
    ]) {
      expect(of(metric)).toMatchObject({ unit: 'ms' });
      expect([metric, (of(metric)?.ratio ?? 0) > 0]).toEqual([metric, true]);
    }
    for (const metric of ['cpu_per_bare_publish', 'cpu_per_bare_answer'])
      expect(of(metric)).toMatchObject({ unit: 'ms', value: expect.any(Number) });
    expect(of('idle_cpu')?.value).toBeGreaterThanOrEqual(0);
    expect(of('rss_per_host')?.unit).toBe('KiB');
    expect(of('idle_cpu_redis')).toMatchObject({ unit: '% of a core', value: expect.any(Number) });
    expect(of('rss_per_host_redis')?.value).toBeGreaterThan(0);
    expect(of('etcd_writes_per_change')?.value).toBe(1);
    expect(of('redis_commands_per_host')).toMatchObject({ unit: 'commands' });
    expect(of('redis_commands_per_host')?.ratio).toBeGreaterThan(1);
    expect(of('redis_bytes_per_host')?.ratio).toBeGreaterThan(1);
    for (const aim of [
      'last_arrival over bare Redis, at most x5',
      'last_delivery over bare Redis, at most x5',
      'last_delivery within 2000 ms',
      'commit_to_ack_p99 over bare answers, at most x5',
      'commit_to_ack_p99 within 1500 ms',
      'commit_to_ack_last within 2000 ms',
      'reconnect_all within 30000 ms',
      'hosts not back within 0 hosts',
      'hosts without the change made meanwhile within 0 hosts',
      'idle_cpu within 5 % of a core',
      'rest_p99 during the return within 500 ms',
    ])
      expect(notes.match(new RegExp(`^aim: ${aim}: (met|MISSED) \\(`, 'gm'))).toHaveLength(2);
  });

  it('tells of a return how long hosts wait, what it costs, and that REST is answered', () => {
    const value = (metric: string): number =>
      ofCase('nodes=3, return').find((line) => line.metric === metric)?.value ?? -1;
    const waits = ['p50', 'p99', 'last'].map((which) => value(`host_back_${which}`));
    expect(waits.every((each) => each > 0)).toBe(true);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    for (const whose of ['control_plane', 'redis', 'simulation'])
      expect([whose, value(`cpu_per_host_${whose}`) > 0]).toEqual([whose, true]);
    expect(value('rest_p99')).toBeGreaterThan(0);
    expect(['rest_refused', 'not_back', 'missed_change'].map(value)).toEqual([0, 0, 0]);
  });

  it('tells what the confirmations of a change cost, beyond what everything takes at rest, and how long report and signed status are', () => {
    const lines = ofCase('nodes=3, confirmation');
    const whose = ['control_plane', 'redis', 'simulation'].map((each) => `cpu_per_host_${each}`);
    expect(lines.map(({ metric, unit }) => [metric, unit])).toEqual([
      ...whose.map((metric) => [metric, 'ms']),
      ['report_bytes', 'bytes'],
      ['signed_status_bytes', 'bytes'],
    ]);
    for (const { value, unit } of lines) if (unit === 'bytes') expect(value).toBeGreaterThan(500);
  });

  it('tells by which power of hosts times grow, and whether that is worse than linear', () => {
    const times = ['last_delivery', 'commit_to_ack_p99', 'reconnect_all'];
    expect(ofCase('slope').map(({ metric, unit }) => [metric, unit])).toEqual(
      times.flatMap((metric) => [
        [metric, 'ms for 1,000 hosts'],
        [`${metric}_exponent`, 'power of hosts'],
      ]),
    );
    for (const metric of times)
      expect(notes).toMatch(
        new RegExp(`^aim: ${metric}, not worse than linear: (met|MISSED) \\(exponent `, 'm'),
      );
  });

  it('keeps a run of each fleet with its times, CPU times and counts', async () => {
    const lines = (await readFile(join(kept, 'slo.jsonl'), 'utf8')).trimEnd().split('\n');
    const runs = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(runs).toMatchObject(
      [2, 3].map((nodes) => ({
        nodes,
        cpuMs: { change: expect.any(Number), publish: expect.any(Number) },
        redis: {
          change: { commands: expect.any(Number), bytes: expect.any(Number) },
          publish: { commands: expect.any(Number), bytes: expect.any(Number) },
        },
      })),
    );
  });

  it.each(['3,3', '4,3', '1,2,3,4,5,6', '0', '3,'])(
    'refuses fleets that do not grow, or are too many: %s',
    async (nodes) => {
      await expect(run('fleet', `--nodes=${nodes}`)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--nodes'),
      });
    },
    TIMEOUT_MS,
  );
});

describe('bench trust --json', () => {
  it(
    'tells what an assignment, a handshake and a connection take of the process that serves them, and leaves nothing behind',
    async () => {
      const sizes = ['--hosts=50', '--rounds=1', '--agents=50', '--requests=5'];
      const { told } = await run('trust', ...sizes, '--json');
      const of = (name: string) => told.filter((line) => line.case === name);
      // A script and a nudge to somebody who hears it are more than a bare write.
      expect(of('assignments, hosts=50')).toMatchObject([
        { metric: 'CPU of Redis, a host', unit: 'us', baseline: expect.any(Number) },
      ]);
      expect(of('assignments, hosts=50')[0]?.ratio).toBeGreaterThan(1);
      const reconnect = of('TLS reconnect, agents=50');
      const served = reconnect.filter(({ metric }) =>
        /CPU of (Redis|the control plane)$/.test(metric),
      );
      expect(served.map(({ metric }) => metric)).toEqual([
        'Redis: CPU of Redis',
        'HTTPS, mutual: CPU of the control plane',
        'TCP, made and reset: CPU of the control plane',
      ]);
      const [redis, https, tcp] = served.map(({ value }) => value);
      expect(redis).toBeGreaterThan(0);
      expect(https).toBeGreaterThan(tcp ?? Infinity);
      expect(await readdir(folder)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('bench scale --json', () => {
  const metrics = async (...options: string[]): Promise<Record<string, number>> => {
    const told = await bench('scale', '--hosts=3000', ...options, '--json');
    return Object.fromEntries(told.map(({ metric, value }) => [metric, value]));
  };

  it('tells what a day takes, and by prices what it costs', async () => {
    const plain = await metrics();
    expect(Object.keys(plain)).not.toContain('cost_a_day');
    const { core_hours_a_day: cores = 0, gib_hours_a_day: memory = 0, gb_a_day: sent = 0 } = plain;
    expect(Math.min(cores, memory, sent)).toBeGreaterThan(0);
    const { cost_a_day: cost } = await metrics('--core-hour=2', '--gib-hour=0.5', '--gb=0.25');
    expect((cost ?? 0) / (2 * cores + 0.5 * memory + 0.25 * sent)).toBeCloseTo(1, 1);
  });

  it.each(['--core-hour', '--gib-hour', '--gb'])('refuses what is no price: %s', async (option) => {
    for (const price of ['', '-1', 'free'])
      await expect(run('scale', `${option}=${price}`)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`${option} "${price}" is not a price`),
      });
  });
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
