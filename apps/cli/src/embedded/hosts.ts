/** Whether a listening address means every address of this machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** The address at which this machine itself reaches what listens there. */
export function reachable(host: string): string {
  return isWildcard(host) ? '127.0.0.1' : host;
}

/** As a part of a URL or of HOST:PORT. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
