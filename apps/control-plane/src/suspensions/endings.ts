import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import { Log } from '#observability';
import { SYSTEM } from '../auth/caller.js';
import { Periodic } from '../health/periodic.decorator.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { toProblemError } from '../http/index.js';
import { ExceptionService } from '../policies/exception.service.js';
import type { SuspensionRecord } from '../records/suspension.record.js';
import { SuspensionService } from './suspension.service.js';

/**
 * So long before its end a suspension ends where another one holds beyond it: hosts know of one at a time, and whoever
 * ended it by himself would enforce until the other one has come.
 */
const OVERLAP_MS = 15_000;

/**
 * Ends what has an end. Removing it from etcd gives a new generation, so that a host's assignment stays a function of
 * etcd's state alone; hosts end a suspension at its time by themselves, with or without us.
 */
@Injectable()
export class Endings {
  constructor(
    private readonly fleet: Fleet,
    private readonly suspensions: SuspensionService,
    private readonly exceptions: ExceptionService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Ends what is due; what fails is tried again at the next call. */
  @Periodic({ name: 'end-suspensions', everyMs: 1_000 })
  async run(): Promise<void> {
    if (this.fleet.state.revision === 0n) return;
    for (const id of this.#due('suspensions', earlierWhere(this.#lastEnd())))
      await this.#end(id, () => this.suspensions.end(id, SYSTEM));
    for (const id of this.#due('exceptions'))
      await this.#end(id, () => this.exceptions.end(id, SYSTEM));
  }

  #lastEnd(): number {
    const { suspensions } = this.fleet.state;
    return Math.max(...suspensions.sorted().map(({ record: { until } }) => Date.parse(until)));
  }

  #due(
    kind: 'suspensions' | 'exceptions',
    earlier: (record: Ending) => number = () => 0,
  ): readonly string[] {
    const nowMs = this.clock.nowMs();
    const { state } = this.fleet;
    const prefix = kind === 'suspensions' ? etcdKeys.suspensions : etcdKeys.exceptions;
    return (
      state[kind]
        .sorted()
        .filter(({ record }) => Date.parse(record.until) - earlier(record) <= nowMs)
        // What stands there now and cannot be read may end later, and is no machine's to take away.
        .filter(({ name }) => !state.unreadable.has(`${prefix}${name}`))
        .map(({ record: { id } }) => id)
    );
  }

  async #end(id: string, end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      // Another replica was faster: that is what was wanted.
      if (toProblemError(error).status === 404) return;
      this.log.warn('could not end what is due, trying again', { id, error });
    }
  }
}

type Ending = Pick<SuspensionRecord, 'at' | 'until'>;

/** How much earlier a suspension ends; of a short one a quarter at most. */
function earlierWhere(lastEndMs: number): (record: Ending) => number {
  return ({ at, until }) => {
    const endMs = Date.parse(until);
    return endMs < lastEndMs ? Math.min(OVERLAP_MS, (endMs - Date.parse(at)) / 4) : 0;
  };
}
