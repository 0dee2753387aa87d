import { Etcd3, type IOptions } from 'etcd3';
import { isIP } from 'node:net';
import type { EtcdCredentials, EtcdStoreOptions } from './store-types.js';
import { translateError } from './translate-error.js';

const KEEPALIVE_EVERY_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 4_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

type FaultPolicy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/**
 * Makes a client of exactly one host. The client's own fault handling is taken out: its breaker fails all calls for
 * five seconds after one bad one, and on errors that it calls recoverable (a deadline, an oversized answer) it closes
 * the channel under every other call. Our errors do not carry its mark, so neither happens; gRPC reconnects by itself.
 */
export function newClient(host: string, options: EtcdStoreOptions): Etcd3 {
  const { credentials, auth, callTimeoutMs = 5_000 } = options;
  return new Etcd3({
    hosts: credentials ? withScheme(host) : host,
    ...(credentials && {
      credentials: {
        rootCertificate: credentials.ca,
        ...(credentials.key && { privateKey: credentials.key }),
        ...(credentials.cert && { certChain: credentials.cert }),
      },
    }),
    ...(auth && {
      auth: { ...auth, callOptions: () => ({ deadline: Date.now() + callTimeoutMs }) },
    }),
    faultHandling: { host: () => translatingPolicy(), global: translatingPolicy() },
    grpcOptions: {
      'grpc.keepalive_time_ms': KEEPALIVE_EVERY_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      // A pool shared by the process would hand one watch the backoff of another's dead connection.
      'grpc.use_local_subchannel_pool': 1,
      ...(credentials && expectedName(host, credentials)),
    },
  });
}

/** TLS has no server name for addresses, so the name to expect is told apart from the address to dial. */
function expectedName(host: string, credentials: EtcdCredentials): Record<string, string> {
  const { hostname } = new URL(withScheme(host));
  const address = hostname.replace(/^\[|\]$/g, '');
  const name = credentials.serverName ?? (isLoopback(address) ? 'localhost' : undefined);
  if (name !== undefined) return { 'grpc.ssl_target_name_override': name };
  if (isIP(address) === 0) return {};
  throw new TypeError(
    `etcd host ${host} is an address: set serverName of its TLS to a name of its certificate`,
  );
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

function withScheme(host: string): string {
  return host.startsWith('https://') ? host : `https://${host}`;
}

function translatingPolicy(): FaultPolicy {
  const noEvent = () => ({ dispose: () => undefined });
  const execute = async <T>(
    run: (context: { signal: AbortSignal }) => PromiseLike<T> | T,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<T> => {
    try {
      return await run({ signal });
    } catch (error) {
      throw translateError(error, 'a call');
    }
  };
  const policy: Omit<FaultPolicy, '_altReturn'> = {
    onSuccess: noEvent,
    onFailure: noEvent,
    execute,
  };
  // `_altReturn` exists for the compiler only.
  return policy as FaultPolicy;
}
