import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { EnrollResponse } from '#contracts';
import { writeFileAtomic } from '../config/atomic-file.js';
import type { EnrolledHost } from './enrolled-host.js';
import { errorMessage } from '../config/error-facts.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { Context } from '../health/context.js';
import { EnrollmentRefused, parseEnrollAnswer } from './enroll-answer.js';
import { enrollRequest } from './enroll-request.js';

const OWN_FILE = { mode: 0o600 };
/** Redis may have moved, with the control plane that started it: asked about after it was away for so long. */
const REDIS_AWAY_MS = 30_000;

/**
 * Renews what enrolment gave for a time: the certificate at two thirds of its life, with it the secret for Redis, and
 * the way to Redis when it leads nowhere. The host proves itself by its signing key; no token is needed. Trust is not
 * renewed: those files are root's. A refusal is a condition, which a person sees; enforcement goes on.
 */
export class Renewal {
  readonly #listeners = new Set<() => void>();
  /** When the control plane said to come again. */
  #notBefore = 0;
  #certificate: { readonly pem: string; readonly oldFromMs: number } | undefined;

  constructor(
    private readonly host: EnrolledHost,
    private readonly client: ControlPlaneClient,
    private readonly around: Context,
  ) {}

  /** Called when Redis is to be reached in another way than the agent was started with. */
  onMoved(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Renews where it is time to. Never rejects. */
  async attempt(): Promise<void> {
    if (this.around.clock.elapsed() < this.#notBefore) return;
    try {
      const old = await this.#certificateIsOld();
      const begun = (await this.host.redisSecret.next()) !== undefined;
      // A refusal may be over by itself: that is asked, or it would be told for as long as the certificate is good.
      const refused = this.around.conditions.has('enrollment');
      if (old || begun || refused || this.#redisIsLost()) await this.#renew(old || begun);
    } catch (cause) {
      this.#failed(cause);
    }
  }

  /** Renews the certificate alone, and answers whether that was done. Never rejects. */
  async renewCertificate(): Promise<boolean> {
    try {
      await this.#renew(false);
      return true;
    } catch (cause) {
      this.#failed(cause);
      return false;
    }
  }

  #failed(cause: unknown): void {
    const { conditions, log, clock } = this.around;
    const { retryAfterMs = 0 } = cause instanceof EnrollmentRefused ? cause : {};
    this.#notBefore = clock.elapsed() + retryAfterMs;
    if (cause instanceof EnrollmentRefused) conditions.raise('enrollment', cause.message);
    else log.warn('certificate and way to Redis not renewed', { problem: errorMessage(cause) });
  }

  async #renew(changeSecret: boolean): Promise<void> {
    const { files, name, redisSecret } = this.host;
    const [signingKey, sealingKey, csr] = await Promise.all([
      read(files.signingKey),
      read(files.sealingKey),
      readFile(files.csr, 'utf8'),
    ]);
    const secret = changeSecret ? await redisSecret.begin() : redisSecret.current;
    const secrets = { signingKey, sealingKey, csr, redisSecret: secret };
    const request = enrollRequest(secrets, '', name);
    const answer = parseEnrollAnswer(await this.client.postJson('/v1/enroll', request));
    this.around.conditions.clear('enrollment');
    if (secret !== redisSecret.current) await redisSecret.use(secret);
    await this.#keep(answer);
  }

  async #keep({ certificate, redis }: EnrollResponse): Promise<void> {
    const { files } = this.host;
    await writeFileAtomic(files.certificate, certificate, OWN_FILE);
    this.around.log.info('certificate renewed', {
      until: new X509Certificate(certificate).validTo,
    });
    const content = `${JSON.stringify(redis)}\n`;
    if ((await readFile(files.redis, 'utf8')) === content) return;
    await writeFileAtomic(files.redis, content, OWN_FILE);
    this.around.log.info('Redis is reached in another way now', {
      host: redis.host,
      port: redis.port,
    });
    for (const tell of this.#listeners) tell();
  }

  /** Others may replace the file; it is parsed where they have. */
  async #certificateIsOld(): Promise<boolean> {
    const pem = await readFile(this.host.files.certificate, 'utf8');
    if (this.#certificate?.pem !== pem) this.#certificate = { pem, oldFromMs: oldFromMs(pem) };
    return this.around.clock.now() > this.#certificate.oldFromMs;
  }

  #redisIsLost(): boolean {
    const { conditions, clock } = this.around;
    const lost = this.host.redisEvents === undefined ? ['redis'] : ['redis', 'events'];
    return conditions
      .list()
      .some(
        ({ name, since }) =>
          lost.includes(name) && Math.abs(clock.now() - Date.parse(since)) > REDIS_AWAY_MS,
      );
  }
}

/** Two thirds of its life, in ms since 1970. Throws for what is no certificate. */
function oldFromMs(pem: string): number {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return from + ((to - from) * 2) / 3;
}

async function read(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
