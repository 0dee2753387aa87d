import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  compareAssignmentVersion,
  followRoots,
  RefusedError,
  verifyFleetProof,
  type ControlPlaneAddress,
  type FleetProof,
  type TrustedRoot,
} from '#bundle';
import type {
  EnrollResponse,
  FleetProofAnswer,
  FleetProofRequest,
  AssignmentVersion,
} from '#contracts';
import { connectRedis } from '#redis';
import { redisEndpoints, type EnrolledHost } from '../enrollment/enrolled-host.js';
import { errorMessage } from '../config/error-facts.js';
import { EnrollmentRefused, parseEnrollAnswer } from '../enrollment/enroll-answer.js';
import { enrollRequest } from '../enrollment/enroll-request.js';
import { CaNotPinned, fetchPinnedCa } from '../trust/pinned-ca.js';
import type { Clock } from '../health/clock.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';

const TIMEOUT_MS = 15_000;
/** A control plane that has just let a host in tells its Redis of it within a moment. */
const REDIS_TRIES = 10;
const REDIS_PAUSE_MS = 1_000;

/** A redirect was not followed; `code` is kebab-case and stable, nothing has changed on the host. */
export class RedirectFailed extends Error {
  override readonly name = 'RedirectFailed';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What a host gets of the control plane that it goes to: PEM of its CA, its certificate there, the way to Redis. */
export interface MovedIn {
  readonly ca: string;
  readonly certificate: string;
  readonly redis: EnrollResponse['redis'];
}

/** Who comes: `highest` is the newest assignment version that it has taken. */
export interface Mover {
  readonly host: EnrolledHost;
  readonly root: TrustedRoot;
  readonly highest: AssignmentVersion | undefined;
  readonly clock: Clock;
}

/**
 * Agrees everything with another control plane before the one of now is given up: the CA by its fingerprint; a proof,
 * signed now by an online key that our root document leads to, under that CA, and not behind what this host has; a
 * certificate and the way to Redis, for the keys that this host has; a login there. Throws RedirectFailed.
 */
export async function moveIn(to: ControlPlaneAddress, mover: Mover): Promise<MovedIn> {
  const ca = await pinned(to);
  const client = new ControlPlaneClient({ url: to.url, ca: () => ca, timeoutMs: TIMEOUT_MS });
  const proof = await proved(client, mover);
  checkProof(proof, to, mover);
  const { certificate, redis } = await letIn(client, mover.host);
  await loginAt(to, redis, ca, mover);
  return { ca, certificate, redis };
}

async function pinned({ url, caFingerprint }: ControlPlaneAddress): Promise<string> {
  try {
    return await fetchPinnedCa(url, caFingerprint, TIMEOUT_MS);
  } catch (cause) {
    const code = cause instanceof CaNotPinned ? 'ca-not-pinned' : 'unreachable';
    const message =
      cause instanceof CaNotPinned
        ? `${url} does not show the CA with the fingerprint ${caFingerprint}; nothing was sent`
        : errorMessage(cause);
    throw new RedirectFailed(code, message, { cause });
  }
}

async function proved(client: ControlPlaneClient, { host, root }: Mover): Promise<FleetProof> {
  const challenge = randomBytes(32).toString('hex');
  const { nodeId } = host.trust;
  const asked: FleetProofRequest = { nodeId, challenge };
  const { status, body } = await sent(client, '/v1/redirects/proof', asked);
  if (status !== 200)
    throw new RedirectFailed(
      'no-proof',
      `it does not prove its fleet: status ${status} ${body.slice(0, 300)}`,
    );
  try {
    const answer = JSON.parse(body) as Partial<FleetProofAnswer>;
    const roots = Array.isArray(answer.roots) ? (answer.roots as unknown[]) : [];
    const proof = verifyFleetProof(answer.proof, followRoots(root, roots).document);
    if (proof.challenge === challenge && proof.nodeId === nodeId) return proof;
    throw new RedirectFailed('no-proof', 'its proof answers another question than ours');
  } catch (cause) {
    if (cause instanceof RedirectFailed) throw cause;
    const code = cause instanceof RefusedError ? cause.code : 'no-proof';
    throw new RedirectFailed(code, `it is not of our fleet as we know it: ${errorMessage(cause)}`, {
      cause,
    });
  }
}

function checkProof(proof: FleetProof, to: ControlPlaneAddress, { highest }: Mover): void {
  const { authority, epoch, generation, at: issuedAt } = proof;
  if (authority !== to.caFingerprint)
    throw new RedirectFailed(
      'no-proof',
      `its proof comes from a control plane with another CA (${authority}): somebody passes questions on`,
    );
  if (highest === undefined) return;
  const there = { epoch, generation, issuedAt: Math.max(issuedAt, highest.issuedAt) };
  if (compareAssignmentVersion(there, highest) < 0)
    throw new RedirectFailed(
      'stale-order',
      `it is at epoch ${epoch}, generation ${generation}, behind epoch ${highest.epoch}, generation ${highest.generation}, which is in force here: restore it from a newer backup, or open a new epoch there (hostward recover)`,
    );
}

/** By the keys that the host has, as it renews its certificate: no token is needed where it is known. */
async function letIn(client: ControlPlaneClient, host: EnrolledHost): Promise<EnrollResponse> {
  const { files, name, redisSecret, trust } = host;
  const [signingKey, sealingKey, csr] = await Promise.all(
    [files.signingKey, files.sealingKey, files.csr].map((file) => readFile(file, 'utf8')),
  );
  const secrets = {
    signingKey: (signingKey ?? '').trim(),
    sealingKey: (sealingKey ?? '').trim(),
    csr: csr ?? '',
    redisSecret: redisSecret.current,
  };
  const answered = await sent(client, '/v1/enroll', enrollRequest(secrets, '', name));
  try {
    const answer = parseEnrollAnswer(answered);
    if (answer.nodeId === trust.nodeId) return answer;
    throw new RedirectFailed('not-let-in', `it answered for another host (${answer.nodeId})`);
  } catch (cause) {
    if (cause instanceof EnrollmentRefused)
      throw new RedirectFailed('not-let-in', cause.message, { cause });
    throw cause;
  }
}

async function loginAt(
  { url }: ControlPlaneAddress,
  redis: EnrollResponse['redis'],
  ca: string,
  { host, clock }: Mover,
): Promise<void> {
  const password = (): string => host.redisSecret.current;
  const { control, events } = redisEndpoints(redis, new URL(url));
  for (const to of events ? [control, events] : [control])
    await pinged({ ...to, username: redis.username, password, tls: { ca } }, clock);
}

async function pinged(to: Parameters<typeof connectRedis>[0], clock: Clock): Promise<void> {
  const connection = connectRedis(to);
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        await connection.run('a ping', (client) => client.ping());
        return;
      } catch (cause) {
        if (tries < REDIS_TRIES) await clock.wait(REDIS_PAUSE_MS, AbortSignal.timeout(TIMEOUT_MS));
        else
          throw new RedirectFailed('redis-unreachable', `its Redis: ${errorMessage(cause)}`, {
            cause,
          });
      }
    }
  } finally {
    connection.close();
  }
}

async function sent(client: ControlPlaneClient, path: string, body: unknown) {
  try {
    return await client.postJson(path, body);
  } catch (cause) {
    throw new RedirectFailed('unreachable', `no answer to ${path}: ${errorMessage(cause)}`, {
      cause,
    });
  }
}
