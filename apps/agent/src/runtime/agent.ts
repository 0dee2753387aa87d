import { NestFactory } from '@nestjs/core';
import type { INestMicroservice } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { NestLogger } from '#observability';
import { connectRedis } from '#redis';
import { Sensor } from '#sensor';
import { transportOf, type AgentSetting } from './agent-parts.js';
import { AgentLoops } from './agent.loops.js';
import { AgentModule } from './agent.module.js';
import { Confirmation } from '../delivery/confirmation.js';
import { Renewal } from '../enrollment/renewal.js';
import { Redirects } from '../redirect/redirects.js';
import { Spool } from '../events/spool.js';

/** What waits for Redis when the agent stops waits no longer than this: the next agent asks for it again. */
const LAST_ANSWER_MS = 3_000;

/** A running agent: a Nest microservice that listens on channels of Redis and on no port. */
export class Agent {
  /** Resolves when the agent must be started anew: Redis is reached in another way, or a redirect led elsewhere. */
  readonly moved: Promise<'moved'>;
  /** Resolves when the process must end and be started again, so that the rule set in force binds it from its first step. */
  readonly restartNeeded: Promise<'restart-needed'>;

  private constructor(
    private readonly setting: AgentSetting,
    private readonly app: INestMicroservice,
  ) {
    // Each is told once, and maybe before the agent has found out that Redis is away.
    this.moved = new Promise((resolve) => {
      for (const part of [this.get(Renewal), this.get(Redirects)])
        part.onMoved(() => resolve('moved'));
    });
    this.restartNeeded = new Promise((resolve) =>
      this.get(Confirmation).onRestartNeeded(() => resolve('restart-needed')),
    );
  }

  /** Starts all parts; Redis, control plane and sensor may be away. */
  static async start(given: Omit<AgentSetting, 'redis' | 'redisEvents'>): Promise<Agent> {
    const { redis: to, redisEvents: toEvents } = given.host;
    const redis = connectRedis(to);
    const redisEvents = toEvents ? connectRedis(toEvents) : redis;
    const setting = { ...given, redis, redisEvents };
    const logger = new NestLogger(given.around.log);
    const strategy = transportOf(setting.host, {
      shared: redis,
      onSubscribed: () => app.get(AgentLoops).reconnected(),
      onRefused: ({ message }) => setting.around.conditions.raise('redis', nudgesRefused(message)),
    });
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(AgentModule.of(setting), {
      strategy,
      logger,
    });
    const agent = new Agent(setting, app);
    app.get(AgentLoops).start();
    // Without nudges the agent still looks at its intervals: slower, not wrong.
    await app.listen();
    return agent;
  }

  /** A part of the running agent. */
  get<T>(token: (abstract new (...parts: never[]) => T) | { readonly prototype: T }): T {
    return this.app.get<T>(token as abstract new () => T);
  }

  /** Stops intake, writes what was taken, closes. */
  async stop(): Promise<void> {
    await this.app.close();
    const late = setTimeout(() => this.disconnect(), LAST_ANSWER_MS);
    await this.app.get(AgentLoops).stop();
    clearTimeout(late);
    await this.app.get(Spool).close();
    await this.app.get(Sensor).close();
    this.disconnect();
  }

  private disconnect(): void {
    this.setting.redis.close();
    this.setting.redisEvents.close();
  }
}

function nudgesRefused(problem: string): string {
  return `nudges are refused (${problem}): changes arrive at the next interval; look at the ACL of this host`;
}
