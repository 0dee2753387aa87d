import { readFile } from 'node:fs/promises';
import type { ControlPlaneAddress } from '#bundle';
import type { EnrollResponse, RedisEndpoint } from '#contracts';
import type { RedisConnectionOptions } from '#redis';
import { RedisSecret } from './redis-secret.js';
import { NoAuthorities, TrustedAuthorities, authoritiesPem } from '../trust/trusted-authorities.js';
import {
  configuredAddress,
  placeInForce,
  readPlacement,
  type Place,
  type Placement,
} from './placement.js';
import type { Trust } from '../trust/delivery-verifier.js';
import type { AgentConfig } from '../config/agent-config.js';
import { errorMessage } from '../config/error-facts.js';
import { isRedisEndpoint } from './redis-endpoint.js';
import { hostFiles, type HostFiles } from '../config/host-files.js';
import { addressOf } from '../config/url-address.js';

/** For the largest bundle on a slow link: one that was given up would be asked for again from its first byte, for ever. */
const ANSWER_MS = 300_000;

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
  readonly stateDir: string;
  readonly files: HostFiles;
  /** URL of the control plane that counts. */
  readonly controlPlane: string;
  /** The one of agent.yaml. */
  readonly configured: ControlPlaneAddress;
  /** Where a redirect led, if that counts instead. */
  readonly place?: Place;
  readonly placement?: Placement;
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
  const { stateDir } = config;
  const placement = await readPlacement(hostFiles(stateDir).placement);
  const place = placeInForce(config.controlPlane, placement);
  const configured = configuredAddress(config.controlPlane);
  const { url: controlPlane } = place ?? configured;
  const files = hostFiles(stateDir, place?.folder);
  const name = await line(files.name);
  const authorities = await trustedBy(files);
  const trust: Trust = {
    nodeId: await line(files.nodeId),
    sealingPrivateKey: await line(files.sealingKey),
    root: await json(files.root),
  };
  const redisSecret = await RedisSecret.read(files);
  if (redisSecret === undefined) throw new NotEnrolled(files.redisSecret, 'holds no secret');
  const to = redisOf(files.redis, await json(files.redis), new URL(controlPlane));
  const login = {
    username: to.username,
    password: () => redisSecret.current,
    tls: { ca: authorities.pem },
    trusted: () => authorities.pem,
    answerTimeoutMs: ANSWER_MS,
  };
  const redis = { ...to.control, ...login };
  const redisEvents = to.events && { ...to.events, ...login };
  const whither = { stateDir, controlPlane, configured, place, placement };
  return { ...whither, files, name, trust, authorities, redis, redisEvents, redisSecret };
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
  const at = (part: unknown) => endpointOf(file, part);
  const endpoints = { ...at(control), ...(events !== undefined && { events: at(events) }) };
  return { username, ...redisEndpoints(endpoints, url) };
}

function endpointOf(file: string, value: unknown): RedisEndpoint {
  if (!isRedisEndpoint(value)) throw new NotEnrolled(file, 'does not say where Redis is');
  return value;
}

/** Where to connect; where Redis runs beside the control plane it is reached under the same name. */
export function redisEndpoints(
  { events, ...control }: RedisEndpoint & Pick<EnrollResponse['redis'], 'events'>,
  url: URL,
) {
  const at = ({ host = addressOf(url).host, port, others = [] }: RedisEndpoint) => ({
    ...{ host, port, masterOnly: true },
    candidates: () => [{ host, port }, ...others],
  });
  return { control: at(control), events: events && at(events) };
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
