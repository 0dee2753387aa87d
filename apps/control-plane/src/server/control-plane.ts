import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { NestLogger } from '#observability';
import { AppModule, type AppParts } from './app.module.js';
import { AccessGuard } from '../auth/access.guard.js';
import { AccessWatch } from '../access/access-watch.js';
import { checkRoutes } from '../auth/check-routes.js';
import { answerCurrent } from './current-answers.js';
import { httpAdapter, type HttpOptions } from './http-adapter.js';
import { serveOpenApi } from './openapi.js';
import { TlsContext } from './tls-context.js';

/** Connections that wait to be taken. Of a queue that is half full the kernel cuts off who has waited for 7 s. */
const BACKLOG = 4_096;

/** What a control plane is started with, besides its parts. */
export interface ServerOptions extends HttpOptions {
  readonly host: string;
  readonly port: number;
}

type Parts = Omit<AppParts, 'tls'>;

/**
 * The running control plane. Its parts start and end by Nest's hooks:
 * - `onModuleInit`: each begins to listen to others.
 * - `onApplicationBootstrap`: the watch on etcd and the periodic tasks start.
 * - `onModuleDestroy`: intake ends.
 * - `onApplicationShutdown`, after the last request: each finishes its work.
 */
export class ControlPlane {
  private constructor(
    private readonly parts: Parts,
    private readonly app: NestFastifyApplication,
  ) {}

  /** Starts everything and listens; etcd and Redis may be away, readiness then says so. */
  static async start(parts: Parts, options: ServerOptions): Promise<ControlPlane> {
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.of({ ...parts, tls: options.tls }),
      httpAdapter(options, parts.metrics),
      { logger: new NestLogger(parts.log), bodyParser: false, abortOnError: false },
    );
    checkRoutes(app);
    serveOpenApi(app);
    answerCurrent(app);
    app.get(AccessGuard).askBeforeBodies(app);
    app.get(AccessWatch).watchRefusals(app);
    await app.listen({ port: options.port, host: options.host, backlog: BACKLOG });
    return new ControlPlane(parts, app);
  }

  /** Where it listens. */
  get url(): string {
    const address = this.app.getHttpServer().address() as AddressInfo;
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `https://${host}:${address.port}`;
  }

  /** New TLS connections are answered with this certificate, and their clients judged by this CA, from now on. */
  useCertificate(tls: HttpOptions['tls']): void {
    this.app.get(TlsContext).use(tls);
  }

  /** Stop intake, drain, flush, close. */
  async stop(): Promise<void> {
    await this.app.close();
    await this.parts.restoreGuard.flush();
    this.parts.etcd.close();
  }
}
