import { describeError } from '#observability';
import { deferAccept } from '#redis';
import { ConfigError } from '../config/config-error.js';

/** Before a line on standard error: the audit log keeps it as a warning (sd-daemon(3)). */
const WARNING = '<4>';

/** How it went, and a line that says so. */
export interface DeferAcceptAnswer {
  readonly isDeferred: boolean;
  readonly line: string;
}

/**
 * Has connections to a Redis that runs come to it with their first bytes, as `up` does with its own; a unit calls it at
 * each start. Where the kernel does not allow it, Redis goes on as it is. Throws ConfigError for what is no process id.
 */
export async function deferRedisAccept(pid: string): Promise<DeferAcceptAnswer> {
  if (!/^[1-9]\d{0,9}$/.test(pid))
    throw new ConfigError('--pid', pid, 'must be the process id of a Redis');
  try {
    const ports = (await deferAccept(Number(pid))).join(', ');
    return { isDeferred: true, line: `deferred accepting is on; ports: ${ports}\n` };
  } catch (error) {
    const why = describeError(error);
    const remedy = 'limit new connections by source in a firewall before it';
    return {
      isDeferred: false,
      line: `${WARNING}Redis, process ${pid}, runs without deferred accepting: ${why}; ${remedy}\n`,
    };
  }
}
