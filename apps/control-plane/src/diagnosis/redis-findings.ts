import { failed, fine, warned, type Finding } from '#contracts';
import { nodeUserName, type RedisVitals } from '#redis';
import type { SurveyedRedis } from './redis-survey.js';
import { someOf } from './some-of.js';

const FULL_AT = 0.8;
const CLIENTS_FULL_AT = 0.9;
/** As for hosts: beyond it what one clock calls fresh is old by the other. */
const CLOCK_MS = 30_000;
const MIB = 1024 ** 2;

/** How each Redis is; `nodeIds` are those of the hosts that must be able to log in. Pure. */
export function redisFindings(
  survey: readonly SurveyedRedis[],
  nodeIds: readonly string[],
  nowMs: number,
): readonly Finding[] {
  return survey.flatMap(({ name, vitals, isStray }) => {
    if (vitals instanceof Error)
      return [
        failed(
          `redis-${name}`,
          `cannot be asked: ${vitals.message}`,
          'see that it runs, and that its ACL lets the user of the control plane in (redis.username)',
        ),
      ];
    return [
      memory(name, vitals),
      eviction(name, vitals),
      saving(name, vitals),
      clients(name, vitals),
      clock(name, vitals, nowMs),
      isStray ? stray(name) : users(name, vitals, nodeIds),
    ];
  });
}

/** Its users are gone on purpose. */
function stray(name: string): Finding {
  return failed(
    `redis-role-${name}`,
    'it says that it is a master, and Sentinel follows another one: no host is let in there',
    'Sentinel makes it a replica within seconds; where it does not, REPLICAOF HOST PORT of the master, or stop it',
  );
}

function memory(name: string, { usedBytes, maxBytes }: RedisVitals): Finding {
  const check = `redis-memory-${name}`;
  const used = `${Math.ceil(usedBytes / MIB)} MiB used`;
  if (maxBytes === 0)
    return warned(
      check,
      `${used}, and no maxmemory: it may take all of the machine`,
      'set maxmemory',
    );
  const of = `${used} of ${Math.floor(maxBytes / MIB)} MiB`;
  if (usedBytes < maxBytes * FULL_AT) return fine(check, of);
  return (usedBytes >= maxBytes ? failed : warned)(
    check,
    `${of}: beyond that no host gets anything new`,
    'raise maxmemory, or find the host that writes much (hostward get nodes)',
  );
}

function eviction(name: string, { evictionPolicy }: RedisVitals): Finding {
  const check = `redis-eviction-${name}`;
  if (evictionPolicy === 'noeviction') return fine(check, 'nothing is evicted');
  return failed(
    check,
    `maxmemory-policy is ${evictionPolicy}: assignments and events of hosts may vanish`,
    'CONFIG SET maxmemory-policy noeviction, and the same in its configuration',
  );
}

function saving(name: string, { saves }: RedisVitals): Finding {
  const check = `redis-persistence-${name}`;
  if (saves) return fine(check, 'no save has failed');
  return failed(
    check,
    'its last save to disk failed, so that it may refuse writes',
    'free space on its disk, or switch saving off: save "" and appendonly no, all it holds can be made again',
  );
}

function clients(name: string, { clients: now, maxClients }: RedisVitals): Finding {
  const check = `redis-clients-${name}`;
  if (now < maxClients * CLIENTS_FULL_AT) return fine(check, `${now} of ${maxClients} clients`);
  return warned(
    check,
    `${now} of ${maxClients} clients: hosts will be turned away`,
    'raise maxclients',
  );
}

function clock(name: string, { timeMs }: RedisVitals, nowMs: number): Finding {
  const check = `redis-clock-${name}`;
  const seconds = Math.round((timeMs - nowMs) / 1_000);
  if (Math.abs(timeMs - nowMs) <= CLOCK_MS) return fine(check, 'its clock is ours');
  return failed(
    check,
    `its clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the control plane's`,
    'timedatectl set-ntp true on both machines',
  );
}

function users(name: string, { users: known }: RedisVitals, nodeIds: readonly string[]): Finding {
  const check = `redis-acl-${name}`;
  const missing = nodeIds.filter((nodeId) => !known.has(nodeUserName(nodeId)));
  if (missing.length === 0) return fine(check, `${nodeIds.length} hosts have their user`);
  return failed(
    check,
    `${missing.length} hosts have no user there: ${someOf(missing)}`,
    'somebody removed them (ACL LOG shows who): the control plane makes them anew within 30 s',
  );
}
