import { readFile } from 'node:fs/promises';
import type { RedisConnectionOptions } from '#redis';
import { RedisSecret } from '../enrollment/redis-secret.js';
import {
  NoAuthorities,
  TrustedAuthorities,
  authoritiesPem,
} from '../enrollment/trusted-authorities.js';
import type { Trust } from '../sensor/delivery-verifier.js';
import type { AgentConfig } from './agent-config.js';
import { errorMessage } from './error-facts.js';
import { hostFiles, type HostFiles } from './host-files.js';

/** The agent cannot run: the host is not enrolled, or a file of the enrolment is gone or damaged. */
class NotEnrolled extends Error {
  override readonly name = 'NotEnrolled';
  constructor(file: string, problem: string) {
    super(
      `${file}: ${problem}. Enrol this host: agent enroll --config FILE --token-file FILE --name NAME`,
    );
  }
}

/** What enrolment left on this host, read once at start. */
export interface EnrolledHost {
  readonly files: HostFiles;
  readonly name: string;
  readonly trust: Trust;
  readonly authorities: TrustedAuthorities;
  readonly redis: RedisConnectionOptions;
  /** The Redis that takes events, where that is another one. */
  readonly redisEvents?: RedisConnectionOptions;
  readonly redisSecret: RedisSecret;
}

/** Reads the enrolment of this host; throws NotEnrolled naming the file. */
export async function enrolledHost(config: AgentConfig): Promise<EnrolledHost> {
  const files = hostFiles(config.stateDir);
  const name = await line(files.name);
  const authorities = await trustedBy(files);
  const trust: Trust = {
    nodeId: await line(files.nodeId),
    sealingPrivateKey: await line(files.sealingKey),
    root: await json(files.root),
  };
  const redisSecret = await RedisSecret.read(files);
  if (redisSecret === undefined) throw new NotEnrolled(files.redisSecret, 'holds no secret');
  const to = redisOf(files.redis, await json(files.redis), new URL(config.controlPlane.url));
  const login = {
    username: to.username,
    password: () => redisSecret.current,
    tls: { ca: authorities.pem },
    trusted: () => authorities.pem,
  };
  const redis = { ...to.control, ...login };
  const redisEvents = to.events && { ...to.events, ...login };
  return { files, name, trust, authorities, redis, redisEvents, redisSecret };
}

async function trustedBy(files: HostFiles): Promise<TrustedAuthorities> {
  try {
    return new TrustedAuthorities(files, authoritiesPem([await line(files.ca)]));
  } catch (cause) {
    if (cause instanceof NoAuthorities) throw new NotEnrolled(files.ca, cause.message);
    throw cause;
  }
}

/**
 * Without the host's certificate: a connection to Redis outlives a certificate of a day, the next one would be refused
 * for an expired one, and it is the secret that says who it is.
 */
function redisOf(file: string, value: unknown, url: URL) {
  const { username, events, ...control } = { ...(value as Partial<Record<string, unknown>>) };
  if (typeof username !== 'string') throw new NotEnrolled(file, 'does not hold a username');
  const at = (part: unknown) => endpointOf(file, part, url);
  return { username, control: at(control), events: events === undefined ? undefined : at(events) };
}

function endpointOf(file: string, value: unknown, url: URL) {
  const { host, port } = { ...(value as Partial<Record<string, unknown>>) };
  if (!Number.isInteger(port)) throw new NotEnrolled(file, 'does not hold a port');
  // Where Redis runs beside the control plane it is reached under the same name.
  const at = typeof host === 'string' ? host : url.hostname.replace(/^\[|\]$/g, '');
  return { host: at, port: Number(port) };
}

async function line(file: string): Promise<string> {
  const text = (await read(file)).trim();
  if (text === '') throw new NotEnrolled(file, 'is empty');
  return text;
}

async function json(file: string): Promise<unknown> {
  const text = await read(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NotEnrolled(file, `is not JSON (${errorMessage(cause)})`);
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new NotEnrolled(file, errorMessage(cause));
  }
}
