import { isIP } from 'node:net';
import type { Fields } from './fields.js';

/** A PostgreSQL for alerts and audit log; paths are absolute. */
export interface PostgresConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly passwordFile: string;
  /** The authority of its certificate, which is checked with the host's name; absent on the loopback alone. */
  readonly ca?: string;
}

/** Where alerts and audit log are: absent PostgreSQL, in SQLite files of the data directory. */
export interface StoreConfig {
  readonly postgresql?: PostgresConfig;
}

/** Reads the section `store`; throws ConfigError. */
export function readStore(fields: Fields | undefined, at: (path: string) => string): StoreConfig {
  const postgresql = fields?.optionalSection('postgresql');
  const store = { postgresql: postgresql && readPostgres(postgresql, at) };
  fields?.end();
  return store;
}

function readPostgres(fields: Fields, at: (path: string) => string): PostgresConfig {
  const ca = fields.optionalText('ca');
  const postgresql = {
    host: fields.text('host'),
    port: fields.has('port') ? fields.port('port') : 5432,
    database: fields.optionalText('database') ?? 'hostward',
    user: fields.optionalText('user') ?? 'hostward',
    passwordFile: at(fields.text('passwordFile')),
    ca: ca && at(ca),
  };
  fields.end();
  if (/[/\s,]/.test(postgresql.host))
    throw fields.refuse(
      'host',
      'must be one name or address; a cluster needs one name for its primary',
    );
  if (ca === undefined && !isLoopback(postgresql.host))
    throw fields.refuse(
      'ca',
      `must name the file of the authority that certifies ${postgresql.host}: without TLS only the loopback is reached`,
    );
  return postgresql;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
