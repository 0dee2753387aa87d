import { redisVitals, type RedisConnection, type RedisVitals, type SentinelStanding } from '#redis';
import type { RedisNode } from '../nodes/redis-host-users.js';

/** One Redis and how it is; an error where it could not be asked. */
export interface SurveyedRedis {
  readonly name: string;
  readonly vitals: RedisVitals | Error;
  /** Whether it is a master beside the one that Sentinel follows, where nobody is let in. */
  readonly isStray?: boolean;
}

/** Asks every Redis of the installation how it is. */
export abstract class RedisSurvey {
  /** Never rejects. */
  abstract all(): Promise<readonly SurveyedRedis[]>;

  /** How those who say which Redis is the master stand; none where nobody does. */
  abstract sentinels(): readonly SentinelStanding[];
}

/** Over the connections that the control plane has. */
export class LiveRedisSurvey extends RedisSurvey {
  constructor(
    private readonly nodes: readonly RedisNode[],
    private readonly watches: readonly { readonly standing: SentinelStanding }[],
  ) {
    super();
  }

  override sentinels(): readonly SentinelStanding[] {
    return this.watches.map(({ standing }) => standing);
  }

  override all(): Promise<readonly SurveyedRedis[]> {
    return Promise.all(
      this.nodes.map(async ({ name, connection, master }) => {
        const following = master?.();
        const [vitals, followed] = await Promise.all([
          vitalsOf(connection),
          following ? vitalsOf(following) : undefined,
        ]);
        return { name, vitals, isStray: isStray(vitals, followed) };
      }),
    );
  }
}

function vitalsOf(connection: RedisConnection): Promise<RedisVitals | Error> {
  return redisVitals(connection).catch((error: Error) => error);
}

function isStray(of: RedisVitals | Error, followed?: RedisVitals | Error): boolean {
  if (!followed || of instanceof Error || followed instanceof Error) return false;
  return of.isMaster && of.runId !== followed.runId;
}
