import type { Fields } from './fields.js';

/** Files of a TLS client or server; paths are absolute. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Those of a client. */
export interface TlsClientFiles extends TlsFiles {
  /** Name that the server's certificate must carry, in the place of that by which it is reached. */
  readonly serverName?: string;
}

/** Makes a path of the configuration absolute. */
export type Resolve = (path: string) => string;

/** The section of a TLS client; undefined where it is absent. Throws ConfigError. */
export function readTls(fields: Fields | undefined, at: Resolve): TlsClientFiles | undefined {
  if (!fields) return undefined;
  const cert = fields.optionalText('cert');
  const key = fields.optionalText('key');
  const serverName = fields.optionalText('serverName');
  const tls = {
    ca: at(fields.text('ca')),
    cert: cert && at(cert),
    key: key && at(key),
    serverName,
  };
  fields.end();
  return tls;
}
