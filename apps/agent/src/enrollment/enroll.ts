import { setTimeout as delay } from 'node:timers/promises';
import { loadSigner, trustRoot } from '#bundle';
import { fingerprint } from '#pki';
import type { AgentConfig } from '../config/agent-config.js';
import { hostFiles } from '../config/host-files.js';
import { ControlPlaneClient } from '../health/control-plane.client.js';
import { EnrollmentRefused, parseEnrollAnswer } from './enroll-answer.js';
import { enrollRequest, type HostSecrets } from './enroll-request.js';
import { HostIdentity, type Owner } from './host-identity.js';
import { readIfThere } from '../trust/key-file.js';
import { placeInForce, readPlacement } from './placement.js';
import { fetchPinnedCa, normalFingerprint } from '../trust/pinned-ca.js';
import { attestedBySshHostKey } from './ssh-attestation.js';
import { NoAuthorities, authoritiesPem, holdsAuthority } from '../trust/trusted-authorities.js';

const TIMEOUT_MS = 15_000;
/** How long it is tried where the control plane says when to come again. */
const PATIENCE_MS = 120_000;

/** What `enroll` needs beside the configuration. */
export interface EnrollOptions {
  readonly config: AgentConfig;
  readonly token: string;
  readonly name: string;
  readonly owner?: Owner;
  /** Private ssh host key by which this machine proves which one it is. */
  readonly sshHostKey?: string;
  /** Ends the waiting for a control plane that is busy. */
  readonly signal?: AbortSignal;
}

/** How it went; `already` when this host was enrolled under this CA before and nothing was sent. */
export interface Enrollment {
  readonly nodeId: string;
  readonly name: string;
  readonly already: boolean;
}

/**
 * Enrols this host. Keys are made here and written before anything is sent, so that a retry comes with the same ones.
 * The CA is fetched and compared with the pinned fingerprint first; the token goes only over a connection that was
 * validated against that CA.
 */
export async function enroll(options: EnrollOptions): Promise<Enrollment> {
  const { config, token, name, owner, sshHostKey } = options;
  const files = hostFiles(config.stateDir);
  const known = await enrolledBefore(config);
  if (known !== undefined) return known;
  const identity = new HostIdentity(files, owner);
  const secrets = await identity.prepare();
  const { url, caFingerprint } = config.controlPlane;
  const ca = await fetchPinnedCa(url, caFingerprint, TIMEOUT_MS);
  const client = new ControlPlaneClient({ url, ca: () => ca, timeoutMs: TIMEOUT_MS });
  const plain = enrollRequest(secrets, token, name);
  const request = sshHostKey === undefined ? plain : await attestedBySshHostKey(plain, sshHostKey);
  const answer = await whenToldTo(
    async () => parseEnrollAnswer(await client.postJson('/v1/enroll', request)),
    options.signal,
  );
  checkAnswer(answer.nodeId, secrets, answer.root);
  const pinned = normalFingerprint(caFingerprint);
  await identity.keep(answer, { ca: trustedAfter(answer.ca, ca, pinned), pinned });
  return { nodeId: answer.nodeId, name: answer.name, already: false };
}

/** Asks again, for a time, as often as the control plane says when to: later by chance, for it says so to many at once. */
async function whenToldTo<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (cause) {
      const { retryAfterMs } = cause instanceof EnrollmentRefused ? cause : {};
      if (retryAfterMs === undefined) throw cause;
      const waitMs = retryAfterMs * (1 + Math.random());
      if (signal?.aborted || performance.now() + waitMs > until) throw cause;
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/**
 * While the CA is being replaced the answer names two. One that does not name the pinned one is not what we enrolled
 * under: then the pinned one alone is kept.
 */
function trustedAfter(answered: string, pinned: string, fingerprintPinned: string): string {
  try {
    const pem = authoritiesPem([answered]);
    return holdsAuthority(pem, fingerprintPinned) ? pem : pinned;
  } catch (cause) {
    if (cause instanceof NoAuthorities) return pinned;
    throw cause;
  }
}

/** The node id is ours to know: the hash of our key. A root document that does not verify is no start of trust. */
function checkAnswer(nodeId: string, secrets: HostSecrets, root: unknown): void {
  const { keyid } = loadSigner(secrets.signingKey);
  if (nodeId !== keyid)
    throw new EnrollmentRefused(200, `it answered for another host (${nodeId}, ours is ${keyid})`);
  trustRoot(root);
}

async function enrolledBefore(config: AgentConfig): Promise<Enrollment | undefined> {
  const files = hostFiles(config.stateDir);
  const [nodeId, name, ca, pinned] = await Promise.all(
    [files.nodeId, files.name, files.ca, files.pinned].map(readIfThere),
  );
  if (nodeId === undefined || name === undefined || ca === undefined) return undefined;
  const wanted = normalFingerprint(config.controlPlane.caFingerprint);
  const place = placeInForce(config.controlPlane, await readPlacement(files.placement));
  // A host that has followed a replacement still has the fingerprint in its configuration by which it enrolled.
  // One that has followed a redirect may have the fingerprint of before or of now.
  if (place || pinned?.trim() === wanted || holdsAuthority(ca, wanted))
    return { nodeId: nodeId.trim(), name: name.trim(), already: true };
  throw new Error(
    `this host is enrolled under another CA (${pinned?.trim() ?? fingerprint(ca)}); to move it: hostward-agent offboard, ` +
      '/usr/lib/hostward/setup.sh configure, then write its agent.yaml anew and enrol',
  );
}
