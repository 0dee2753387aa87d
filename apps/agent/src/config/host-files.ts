import { join } from 'node:path';

/**
 * Where everything of the host lies under stateDir. `trust/` is root's: the compiler believes what is in it, and the
 * agent may only read it. `agent/` is the agent's own.
 */
export interface HostFiles {
  readonly trustDir: string;
  /** DSSE envelope of the root document, JSON. */
  readonly root: string;
  /** The node id, hex, and a newline. */
  readonly nodeId: string;
  /** X25519 private key, base64 of PKCS #8 DER: opens the channel key; root's, readable by the agent's group. */
  readonly sealingKey: string;
  readonly agentDir: string;
  /** Ed25519 private key, base64 of PKCS #8 DER. */
  readonly signingKey: string;
  readonly tlsKey: string;
  readonly csr: string;
  readonly certificate: string;
  /** Every CA that the host trusts, PEM. */
  readonly ca: string;
  /** Fingerprint of the one that it pinned when it enrolled. */
  readonly pinned: string;
  /** Where Redis is, and as which user, as JSON. */
  readonly redis: string;
  /** What the host logs in to Redis with, and what it is about to. */
  readonly redisSecret: string;
  readonly redisSecretNext: string;
  /** Where redirects have led this host, as JSON. */
  readonly placement: string;
  /** The channel key of the newest epoch that was proved, for reports while Redis is empty. */
  readonly channelKey: string;
  /** Signed heads of this control plane's audit log that were seen: another one's goes on from a backup of it. */
  readonly auditLogHeads: string;
  /** The name that the host enrolled under, and a newline. */
  readonly name: string;
  readonly spoolDir: string;
  /** What is wrong now, for a person at the console. */
  readonly health: string;
  /** That the host went back to the version it had; root's, JSON as `RolledBack`. */
  readonly rolledBack: string;
  /** Only with `enforcer: observe`. */
  readonly observed: string;
}

/** `place` is the folder of what was agreed with the control plane that a redirect led to. */
export function hostFiles(stateDir: string, place = ''): HostFiles {
  const trustDir = join(stateDir, 'trust');
  const agentDir = join(stateDir, 'agent');
  return {
    trustDir,
    root: join(trustDir, 'root.json'),
    nodeId: join(trustDir, 'node-id'),
    sealingKey: join(trustDir, 'sealing.key'),
    agentDir,
    signingKey: join(agentDir, 'signing.key'),
    tlsKey: join(agentDir, 'tls.key'),
    csr: join(agentDir, 'tls.csr'),
    certificate: join(agentDir, place, 'tls.crt'),
    ca: join(agentDir, place, 'ca.crt'),
    pinned: join(agentDir, place, 'ca.pinned'),
    redis: join(agentDir, place, 'redis.json'),
    redisSecret: join(agentDir, 'redis.secret'),
    redisSecretNext: join(agentDir, 'redis.secret.next'),
    placement: join(agentDir, 'control-plane.json'),
    channelKey: join(agentDir, 'channel-key.json'),
    auditLogHeads: join(agentDir, place, 'audit-log-heads.json'),
    name: join(agentDir, 'name'),
    spoolDir: join(agentDir, 'spool'),
    health: join(agentDir, 'health.json'),
    rolledBack: join(stateDir, 'upgrade', 'rolled-back.json'),
    observed: join(agentDir, 'observed.json'),
  };
}
