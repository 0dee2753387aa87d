import { createHash, createPrivateKey, hkdfSync } from 'node:crypto';
import { certificatesIn, fingerprint, type KeyAndCertificate } from '#pki';

/** Tickets are under the same keys for so long: as long as a session may be gone on with. */
const TICKET_KEYS_FOR_MS = 12 * 3_600_000;
/** As Node has it. */
const BYTES = 48;
const PURPOSE = 'hostward/v1/tls-tickets';

/** What the keys follow from. */
export interface TicketKeyParts {
  /** The authority that signs. Whoever has its key can be any host and any control plane anyway. */
  readonly issuing: Pick<KeyAndCertificate, 'privateKeyPem'>;
  /** All whom we trust as clients, PEM: a session that is resumed would be judged by what was trusted when it began. */
  readonly trusted: Buffer;
}

/** Which of the spans of time that have keys of their own this is. */
export function ticketTurnAt(nowMs: number): number {
  return Math.floor(nowMs / TICKET_KEYS_FOR_MS);
}

/**
 * Keys under which TLS sessions are given to clients to keep: the same in every replica and after a restart, stored
 * nowhere, and others as soon as another authority signs, others are trusted, or their time is over. They keep nothing
 * secret that was said: each session that is resumed makes another secret by (EC)DHE.
 */
export function ticketKeys({ issuing, trusted }: TicketKeyParts, turn: number): Buffer {
  const key = createPrivateKey(issuing.privateKeyPem).export({ type: 'pkcs8', format: 'der' });
  const marks = certificatesIn(trusted.toString('utf8')).map(fingerprint).sort();
  const salt = createHash('sha256').update(marks.join()).digest();
  return Buffer.from(hkdfSync('sha256', key, salt, `${PURPOSE} ${turn}`, BYTES));
}
