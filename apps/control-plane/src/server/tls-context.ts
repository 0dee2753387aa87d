import { Server } from 'node:https';
import type { OnModuleInit } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { Authorities } from '../certificates/authorities.js';
import { Periodic } from '../health/periodic.decorator.js';
import type { Clock } from '../http/clock.js';
import { secureContext, type HttpOptions } from './http-adapter.js';
import { ticketKeys, ticketTurnAt } from './ticket-keys.js';

/** The certificate of the HTTPS server, and the keys of its TLS sessions: both are replaced while it listens. */
export class TlsContext implements OnModuleInit {
  #tls: HttpOptions['tls'];
  #ticketTurn = 0;

  constructor(
    private readonly adapters: HttpAdapterHost,
    private readonly authorities: Authorities,
    private readonly clock: Clock,
    tls: HttpOptions['tls'],
  ) {
    this.#tls = tls;
  }

  onModuleInit(): void {
    this.#setTicketKeys();
  }

  /** New TLS connections are answered with this certificate, and their clients judged by this CA, from now on. */
  use(tls: HttpOptions['tls']): void {
    this.#server?.setSecureContext(secureContext(tls));
    this.#tls = tls;
    this.#setTicketKeys();
  }

  @Periodic({ name: 'rotate-tls-ticket-keys', everyMs: 1_000 })
  rotate(): void {
    if (ticketTurnAt(this.clock.nowMs()) !== this.#ticketTurn) this.#setTicketKeys();
  }

  /** The same as in other replicas, and as before a restart: hosts go on with their sessions. */
  #setTicketKeys(): void {
    const { issuing } = this.authorities;
    this.#ticketTurn = ticketTurnAt(this.clock.nowMs());
    this.#server?.setTicketKeys(ticketKeys({ issuing, trusted: this.#tls.ca }, this.#ticketTurn));
  }

  get #server(): Server | undefined {
    const server: unknown = this.adapters.httpAdapter.getHttpServer();
    return server instanceof Server ? server : undefined;
  }
}
