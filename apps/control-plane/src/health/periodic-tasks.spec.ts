import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DiscoveryModule, NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { Log } from '#observability';
import { Metrics } from './metrics.js';
import { PeriodicTasks } from './periodic-tasks.js';
import { Periodic } from './periodic.decorator.js';

const EVERY_MS = 5;

/** Counts its runs; fails and lasts as it is told. */
@Injectable()
class Worker {
  runs = 0;
  failing = false;
  atOnce = 0;
  mostAtOnce = 0;
  lastsMs = 0;

  @Periodic({ name: 'work', everyMs: EVERY_MS })
  async work(): Promise<void> {
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    await delay(this.lastsMs);
    this.atOnce -= 1;
    this.runs += 1;
    if (this.failing) throw new Error('the disk is full');
  }
}

@Injectable()
class Rare {
  runs = 0;

  @Periodic({ name: 'look', everyMs: 3_600_000, atStart: true })
  look(): void {
    this.runs += 1;
  }
}

@Injectable()
class Twin {
  @Periodic({ name: 'look', everyMs: 3_600_000 })
  look(): void {
    throw new Error('is never called');
  }
}

async function application(...workers: (new () => object)[]) {
  const lines: string[] = [];
  const metrics = new Metrics();
  const log = new Log({ level: 'info', write: (line) => lines.push(line) });
  const made = workers.map((worker) => ({ provide: worker, useValue: new worker() }));
  @Module({
    imports: [DiscoveryModule],
    providers: [
      ...made,
      { provide: Metrics, useValue: metrics },
      { provide: Log, useValue: log },
      PeriodicTasks,
    ],
  })
  class Root {}
  const app = await NestFactory.createApplicationContext(Root, {
    logger: false,
    abortOnError: false,
  });
  return { app, lines, metrics };
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !holds(); turn += 1) await delay(EVERY_MS);
  expect(holds()).toBe(true);
}

describe('a periodic task', () => {
  it('runs again and again until the application ends, and not after', async () => {
    const { app, metrics } = await application(Worker);
    const worker = app.get(Worker);
    await until(() => worker.runs >= 3);
    await app.close();
    const { runs } = worker;
    await delay(10 * EVERY_MS);
    expect(worker.runs - runs).toBeLessThanOrEqual(1);
    expect(await metrics.registry.metrics()).toMatch(
      /hostward_periodic_task_seconds_count\{task="work"\} [1-9]/,
    );
  });

  it('does not overlap itself, however long it lasts', async () => {
    const { app } = await application(Worker);
    const worker = app.get(Worker);
    worker.lastsMs = 4 * EVERY_MS;
    await until(() => worker.runs >= 3);
    await app.close();
    expect(worker.mostAtOnce).toBe(1);
  });

  it('goes on after a failure, which is counted each time and told once, as is its end', async () => {
    const { app, lines, metrics } = await application(Worker);
    const worker = app.get(Worker);
    worker.failing = true;
    await until(() => worker.runs >= 4);
    worker.failing = false;
    await until(() => lines.some((line) => line.includes('works again')));
    await app.close();
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told.map(({ message, task }) => [message, task])).toEqual([
      ['a periodic task failed, trying again', 'work'],
      ['a periodic task works again', 'work'],
    ]);
    expect(told[0]).toMatchObject({ owner: 'Worker' });
    expect(lines[0]).toContain('the disk is full');
    expect(await metrics.registry.metrics()).toMatch(
      /hostward_periodic_task_failures_total\{task="work"\} [4-9]/,
    );
  });

  it('runs at the start where it says so', async () => {
    const { app } = await application(Rare);
    const rare = app.get(Rare);
    await until(() => rare.runs === 1);
    await app.close();
  });

  it('has a name of its own, or nothing starts', async () => {
    await expect(application(Rare, Twin)).rejects.toThrow('two periodic tasks are named look');
  });
});
