import { NestFactory } from '@nestjs/core';
import type { INestMicroservice } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { redisKeys } from '#contracts';
import { NestLogger } from '#observability';
import { connectRedis, HostwardRedisTransport } from '#redis';
import { Sensor } from '#sensor';
import { AgentLoops } from './agent.loops.js';
import { AgentModule, type AgentSetting } from './agent.module.js';
import { Confirmation } from './delivery/confirmation.js';
import { CHECK_PATTERN, NUDGE_PATTERN } from './delivery/nudge.controller.js';
import { Renewal } from './enrollment/renewal.js';
import { Spool } from './events/spool.js';

/** A running agent: a Nest microservice that listens on channels of Redis and on no port. */
export class Agent {
  private constructor(
    private readonly setting: AgentSetting,
    private readonly app: INestMicroservice,
  ) {}

  /** Starts all parts; Redis, control plane and sensor may be away. */
  static async start(given: Omit<AgentSetting, 'redis'>): Promise<Agent> {
    const setting = { ...given, redis: connectRedis(given.host.redis) };
    const logger = new NestLogger(given.around.log);
    const strategy = transportOf(setting, () => app.get(AgentLoops).reconnected());
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(AgentModule.of(setting), {
      strategy,
      logger,
    });
    const agent = new Agent(setting, app);
    app.get(AgentLoops).start();
    await agent.#listen();
    return agent;
  }

  /** A part of the running agent. */
  get<T>(token: (abstract new (...parts: never[]) => T) | { readonly prototype: T }): T {
    return this.app.get<T>(token as abstract new () => T);
  }

  /** Resolves when the agent must be started anew, since Redis is reached in another way than it was started with. */
  moved(): Promise<'moved'> {
    return new Promise((resolve) => this.get(Renewal).onMoved(() => resolve('moved')));
  }

  /** Resolves when the process must end and be started again, so that the rule set in force binds it from its first step. */
  restartNeeded(): Promise<'restart-needed'> {
    return new Promise((resolve) =>
      this.get(Confirmation).onRestartNeeded(() => resolve('restart-needed')),
    );
  }

  /** Stops intake, writes what was taken, closes. */
  async stop(): Promise<void> {
    await this.app.close();
    await this.app.get(AgentLoops).stop();
    await this.app.get(Spool).close();
    await this.app.get(Sensor).close();
    this.setting.redis.close();
  }

  /** Without nudges the agent still looks at its intervals: slower, not wrong. */
  async #listen(): Promise<void> {
    const { conditions } = this.setting.around;
    try {
      await this.app.listen();
    } catch (cause) {
      conditions.raise(
        'redis',
        `nudges are refused (${String(cause)}): changes arrive at the next interval; look at the ACL of this host`,
      );
    }
  }
}

function transportOf({ host }: AgentSetting, onSubscribed: () => void): HostwardRedisTransport {
  const channels = {
    [NUDGE_PATTERN]: redisKeys.nudge(host.trust.nodeId),
    [CHECK_PATTERN]: redisKeys.check,
  };
  return new HostwardRedisTransport({ ...host.redis, channels, onSubscribed });
}
