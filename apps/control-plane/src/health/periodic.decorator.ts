import { DiscoveryService } from '@nestjs/core';

/** How often a method is called. */
export interface PeriodicOptions {
  /** Of the task, in metrics and log lines. */
  readonly name: string;
  /** From the end of one run to the start of the next; a tenth more or less, so that replicas do not act in step. */
  readonly everyMs: number;
  /** Whether the first run is at the start of the application, and not an interval later. */
  readonly atStart?: boolean;
}

/**
 * Has `PeriodicTasks` call the method of a provider again and again while the application runs. A run that fails is
 * counted, logged and tried again, so the method need not catch.
 */
export const Periodic = DiscoveryService.createDecorator<PeriodicOptions>();
