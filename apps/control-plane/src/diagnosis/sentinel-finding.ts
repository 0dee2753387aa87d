import { failed, fine, warned, type Finding } from '#contracts';
import type { SentinelStanding } from '#redis';

/** How those stand who decide which Redis is the master. Pure. */
export function sentinelFinding(standing: SentinelStanding): Finding {
  const { name, sentinels, answering, master, problem } = standing;
  const check = `redis-sentinel-${name}`;
  const says = `${answering} of ${sentinels} Sentinels answer`;
  if (problem !== undefined || !master)
    return failed(
      check,
      `${says}, and none is followed: ${problem ?? 'none has named a master'}`,
      'compare redis.sentinel, redis.host and redis.replicas with `SENTINEL MASTER` and `SENTINEL REPLICAS` there',
    );
  if (answering * 2 > sentinels) {
    const all = `${says}: the master is ${master.host}:${master.port}`;
    return answering === sentinels ? fine(check, all) : warned(check, all, START);
  }
  return failed(check, `${says}: nobody can decide when the master is lost`, START);
}

const START =
  'systemctl start hostward-redis-sentinel on each machine, and see that its port is open to us';
