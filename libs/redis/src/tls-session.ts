import { createSecureContext, type SecureContext } from 'node:tls';

/**
 * What the next connection goes on with, for two thirds of the CPU. What was checked by the one before is not checked
 * anew, so it is good for the same CAs alone.
 */
export class TlsSession {
  #ticket: Buffer | undefined;
  #ca: unknown;

  keep(ticket: Buffer | undefined, ca: unknown): void {
    [this.#ticket, this.#ca] = [ticket, ca];
  }

  ticketFor(ca: unknown): Buffer | undefined {
    return this.#ca === ca ? this.#ticket : undefined;
  }
}

let newest: { readonly ca: string; readonly context: SecureContext } | undefined;

/** What connections that show no certificate are made from: one for all in the process that trust the same CAs. */
export function contextOf(ca: string): SecureContext {
  if (newest?.ca !== ca) newest = { ca, context: createSecureContext({ ca }) };
  return newest.context;
}
