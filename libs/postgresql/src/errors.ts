/** Base of all errors of this library; the client's own error is the cause. */
export abstract class PostgresError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** It cannot be reached or did not answer in time. A write may have happened: every write here may be repeated. */
export class PostgresUnavailable extends PostgresError {}

/** It answers, and will not have us until somebody changes it or the configuration: the message says what. */
export class PostgresRefused extends PostgresError {}

/** A statement failed; nothing of its transaction was written. */
export class PostgresFailed extends PostgresError {}

/** A statement failed for the values that it was given; it will whenever they are tried. */
export class PostgresBadValue extends PostgresFailed {}

/** Which database, as messages name it; no secret is in it. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** What waiting does not mend, by SQLSTATE or Node's code: what it is of, and what to do. */
const REFUSALS: readonly (readonly [RegExp, (at: Place) => string, string])[] = [
  [
    /^28/,
    ({ user }) => `user ${JSON.stringify(user)}`,
    'set the password in passwordFile to that of the role, and see that pg_hba.conf lets it in',
  ],
  [
    /^3D000$/,
    ({ database }) => `database ${JSON.stringify(database)}`,
    'create it, owned by the role',
  ],
  [
    /^(42501|3F000)$/,
    ({ user }) => `user ${JSON.stringify(user)}`,
    'make the role the owner of the database and of the schema hostward',
  ],
  [
    /^(ERR_TLS|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|HOSTNAME_MISMATCH|ERR_SSL|ERR_OSSL)/,
    ({ host }) => `certificate of ${host}`,
    'see that ca is the authority of its certificate, and that host is a name in it',
  ],
];
/** Connection exceptions, shutting down, too many connections, and what Node says of a link. */
const AWAY =
  /^(08|57P0[1-3]$|53300$|ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|EPIPE|ENOENT|EACCES)/;
const AWAY_WORDS = /^(Connection terminated|timeout |Query read timeout|Client has encountered)/;
const WITHOUT_TLS = /does not support SSL/;
const OUT_OF_SPACE = '53100';
const ANOTHER = /^(3F000|42P01|42703|25006)$/;
/** Data exceptions, a value that is missing, and one that is too large for an index. */
const BAD_VALUE = /^(22|23502$|54000$)/;

/** Turns what the client throws into an error of ours. */
export function translateError(error: unknown, at: Place): PostgresError {
  if (error instanceof PostgresError) return error;
  const code = textOf(error, 'code') ?? '';
  // A refused connection to a name with several addresses has a code alone.
  const message = textOf(error, 'message') || code || String(error);
  const place = `PostgreSQL at ${at.host}:${at.port}/${at.database}`;
  const refusal = REFUSALS.find(([pattern]) => pattern.test(code));
  if (refusal) {
    const [, what, remedy] = refusal;
    return new PostgresRefused(`${place}: ${what(at)}: ${message}; ${remedy}`, { cause: error });
  }
  if (WITHOUT_TLS.test(message))
    return new PostgresRefused(`${place}: ${message}; set ssl = on there`, { cause: error });
  if (AWAY.test(code) || AWAY_WORDS.test(message))
    return new PostgresUnavailable(`${place} is away: ${message}`, { cause: error });
  if (BAD_VALUE.test(code)) return new PostgresBadValue(`${place}: ${message}`, { cause: error });
  const remedy = code === OUT_OF_SPACE ? '; free space where its data lies' : '';
  return new PostgresFailed(`${place}: ${message}${remedy}`, { cause: error });
}

/** Whether this is not what was examined: a schema, table or column of ours is not there, or it takes no writes. */
export function meansAnother(error: unknown): boolean {
  return ANOTHER.test(textOf(error, 'code') ?? '');
}

function textOf(error: unknown, name: 'code' | 'message'): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}
