import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { Log } from '#observability';
import { Metrics } from './metrics.js';
import { Periodic, type PeriodicOptions } from './periodic.decorator.js';

/** Of an interval. */
const JITTER = 0.1;

/** A task, and the class that has it. */
export interface PeriodicTask extends PeriodicOptions {
  readonly owner: string;
  readonly run: () => unknown;
}

/** Runs every method that is marked `@Periodic`. A task never overlaps itself, and none holds up another. */
@Injectable()
export class PeriodicTasks implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failing = new Set<string>();
  #stopped = false;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    for (const task of this.find()) this.#schedule(task, task.atStart ? 0 : task.everyMs);
  }

  /** Starts no run any more; one that is under way ends by itself. */
  onModuleDestroy(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** Every task of the application. Throws where two have one name. */
  find(): readonly PeriodicTask[] {
    const scanner = new MetadataScanner();
    const instances = new Set(
      this.discovery.getProviders().map(({ instance }) => instance as object | null | undefined),
    );
    const tasks = [...instances].flatMap((instance) => {
      if (typeof instance !== 'object' || instance === null) return [];
      const methods = scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object);
      return methods.flatMap((method) => taskOf(instance as Methods, method));
    });
    for (const { name } of tasks)
      if (tasks.filter((task) => task.name === name).length > 1)
        throw new Error(`two periodic tasks are named ${name}`);
    return tasks;
  }

  #schedule(task: PeriodicTask, waitMs: number): void {
    if (this.#stopped) return;
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#timers.set(
      task.name,
      setTimeout(() => void this.#run(task), waitMs * jitter),
    );
  }

  async #run(task: PeriodicTask): Promise<void> {
    const { name } = task;
    const end = this.metrics.periodicTaskSeconds.startTimer({ task: name });
    try {
      await task.run();
      if (this.#failing.delete(name)) this.log.info('a periodic task works again', { task: name });
    } catch (error) {
      this.#failed(task, error);
    }
    end();
    this.#schedule(task, task.everyMs);
  }

  /** Told once of each time that it begins to fail: a task of every second must not fill the log. */
  #failed({ name, owner }: PeriodicTask, error: unknown): void {
    this.metrics.periodicTaskFailures.inc({ task: name });
    const facts = { task: name, owner, error };
    if (this.#stopped || this.#failing.has(name)) this.log.debug('a periodic task failed', facts);
    else this.log.warn('a periodic task failed, trying again', facts);
    this.#failing.add(name);
  }
}

type Methods = Readonly<Record<string, (this: object) => unknown>>;

function taskOf(instance: Methods, method: string): readonly PeriodicTask[] {
  const call = instance[method];
  const options = call && (Reflect.getMetadata(Periodic.KEY, call) as PeriodicOptions | undefined);
  if (!options) return [];
  return [{ ...options, owner: instance.constructor.name, run: () => call.call(instance) }];
}
