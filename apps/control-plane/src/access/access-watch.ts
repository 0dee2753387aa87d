import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Log } from '#observability';
import { Periodic } from '../health/periodic.decorator.js';
import { Fleet } from '../store/fleet.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { AdminTokenReset } from './admin-token-reset.js';
import { SYSTEM, callerOf, type Caller } from '../auth/caller.js';
import { Directory } from './directory.js';
import { FailedLogins } from './failed-logins.js';
import { LastUse } from './last-use.js';
import { Refusals, type Refusal } from './refusals.js';
import { UntoldEntry } from './untold-entry.js';

const FORBIDDEN = 403;

/** What access has to do beside requests: hear of users and tokens, and tell the audit log what was refused. */
@Injectable()
export class AccessWatch implements OnModuleInit, OnApplicationShutdown {
  #started = false;
  readonly #untold: readonly UntoldEntry[];

  constructor(
    private readonly fleet: Fleet,
    private readonly directory: Directory,
    private readonly ledger: EtcdLedger,
    failures: FailedLogins,
    private readonly refusals: Refusals,
    private readonly lastUse: LastUse,
    private readonly adminToken: AdminTokenReset,
    private readonly log: Log,
  ) {
    const record = ledger.record.bind(ledger);
    this.#untold = [
      new UntoldEntry((ending) => failures.take(ending), record),
      new UntoldEntry((ending) => refusals.take(SYSTEM, ending), record),
    ];
  }

  /** Begins to hear what the watch on etcd says. */
  onModuleInit(): void {
    this.fleet.onMessage((message) => {
      this.directory.take(message);
      this.adminToken.take(message);
      void this.ledger.follow(message);
    });
  }

  /** Every answer that says "not permitted" to somebody we know goes into the audit log. */
  watchRefusals(app: NestFastifyApplication): void {
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
        this.#answered(request, reply.statusCode);
        done();
      });
  }

  /** Writes what is due. */
  @Periodic({ name: 'record-refusals', everyMs: 1_000 })
  async run(): Promise<void> {
    if (!this.directory.ready) return;
    if (!this.#started) await this.#begin();
    await this.lastUse.flush();
    for (const untold of this.#untold) await untold.tell();
  }

  /** Writes what is counted and not written yet. */
  async onApplicationShutdown(): Promise<void> {
    try {
      for (const untold of this.#untold) await untold.tell(true);
    } catch (error) {
      this.log.warn('what was refused last is not in the audit log', { error });
    }
  }

  /** What a crash has left is put in order, and a break-in token that was made anew on the machine is told. */
  async #begin(): Promise<void> {
    // Repaired with the first write only: an etcd that was restored must be found as it is.
    await this.ledger.settle({ repair: false });
    this.#started = await this.adminToken.tell();
  }

  /** Has a refusal in the audit log, by itself or counted; counted too where it cannot be written. Never rejects. */
  async refused(caller: Caller, refusal: Refusal): Promise<void> {
    const draft = this.refusals.add(caller, refusal);
    if (!draft) return;
    try {
      await this.ledger.record(draft);
    } catch (error) {
      this.refusals.count(caller);
      this.log.warn('a refusal is not in the audit log by itself', { error });
    }
  }

  #answered(request: FastifyRequest, status: number): void {
    const caller = callerOf(request.raw);
    if (!caller) return;
    if (caller.tokenId !== undefined) this.lastUse.note(caller.tokenId);
    if (status !== FORBIDDEN) return;
    const action = `${request.method} ${request.routeOptions.url ?? ''}`;
    const object = request.url.slice(0, 200).split('?')[0] ?? '';
    void this.refused(caller, { action, object });
  }
}
