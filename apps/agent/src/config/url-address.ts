const HTTPS_PORT = 443;

/** Where an HTTPS URL leads, as a socket takes it: an IPv6 address without the brackets that it has in a URL. */
export function addressOf({ hostname, port }: URL): {
  readonly host: string;
  readonly port: number;
} {
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || HTTPS_PORT) };
}
