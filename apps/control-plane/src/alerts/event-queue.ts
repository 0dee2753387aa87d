import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Log } from '#observability';
import { Periodic } from '../health/periodic.decorator.js';
import { DelayQueue } from '../replicas/delay-queue.js';
import { Replicas } from '../replicas/replicas.js';
import { HostQueue } from '../reports/host-queue.js';
import { EventIntake } from './event-intake.js';

/** Hosts whose events are to be read: those of this replica now, those of another one where that has not done it. */
@Injectable()
export class EventQueue implements OnApplicationShutdown {
  readonly #queue: HostQueue;
  readonly #later = new DelayQueue();

  constructor(
    private readonly intake: EventIntake,
    private readonly replicas: Replicas,
    log: Log,
  ) {
    this.#queue = new HostQueue(
      (nodeId) => intake.take(nodeId),
      (nodeId, error) => log.warn('events of a host wait', { nodeId, error }),
    );
  }

  /** A host has events. */
  add(nodeId: string): void {
    if (this.replicas.owns(nodeId)) this.#queue.add(nodeId);
    else this.#later.add(nodeId);
  }

  @Periodic({ name: 'retry-events', everyMs: 1_000 })
  retry(): void {
    this.#queue.retry();
    for (const nodeId of this.#later.due()) this.#queue.add(nodeId);
    for (const nodeId of this.intake.due()) this.#queue.add(nodeId);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#queue.stop();
  }
}
