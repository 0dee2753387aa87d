import { redisVitals, type RedisVitals } from '#redis';
import type { RedisNode } from '../nodes/redis-host-users.js';

/** One Redis and how it is; an error where it could not be asked. */
export interface SurveyedRedis {
  readonly name: string;
  readonly vitals: RedisVitals | Error;
}

/** Asks every Redis of the installation how it is. */
export abstract class RedisSurvey {
  /** Never rejects. */
  abstract all(): Promise<readonly SurveyedRedis[]>;
}

/** Over the connections that the control plane has. */
export class LiveRedisSurvey extends RedisSurvey {
  constructor(private readonly nodes: readonly RedisNode[]) {
    super();
  }

  override all(): Promise<readonly SurveyedRedis[]> {
    return Promise.all(
      this.nodes.map(async ({ name, connection }) => ({
        name,
        vitals: await redisVitals(connection).catch((error: Error) => error),
      })),
    );
  }
}
