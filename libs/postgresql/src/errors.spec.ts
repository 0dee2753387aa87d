import { describe, expect, it } from '@jest/globals';
import {
  PostgresBadValue,
  PostgresFailed,
  PostgresRefused,
  PostgresUnavailable,
  translateError,
} from './errors.js';

const AT = { host: 'db', port: 5432, database: 'd', user: 'u' };
const of = (message: string, code?: string) => translateError({ message, code }, AT);

describe('what PostgreSQL and its client say', () => {
  it.each([
    ['no connection', PostgresUnavailable, of('connect', 'ECONNREFUSED'), /db:5432\/d is away/],
    ['no name', PostgresUnavailable, of('getaddrinfo', 'ENOTFOUND'), /is away: getaddrinfo/],
    ['a shutdown', PostgresUnavailable, of('terminating', '57P01'), /is away/],
    ['a start', PostgresUnavailable, of('starting up', '57P03'), /is away/],
    ['too many connections', PostgresUnavailable, of('too many clients', '53300'), /too many/],
    ['a lost one', PostgresUnavailable, of('Connection terminated unexpectedly'), /is away/],
    ['a silent one', PostgresUnavailable, of('Query read timeout'), /is away/],
    ['a wrong password', PostgresRefused, of('failed', '28P01'), /user "u": .*; set the password/],
    ['no database', PostgresRefused, of('no d', '3D000'), /database "d": no d; create it/],
    ['no permission', PostgresRefused, of('denied', '42501'), /user "u": denied; make the role/],
    [
      'another CA',
      PostgresRefused,
      of('x', 'SELF_SIGNED_CERT_IN_CHAIN'),
      /certificate of db: .*ca is/,
    ],
    [
      'another name',
      PostgresRefused,
      of('x', 'ERR_TLS_CERT_ALTNAME_INVALID'),
      /host is a name in it/,
    ],
    ['no TLS', PostgresRefused, of('The server does not support SSL connections'), /set ssl = on/],
    ['a full disk', PostgresFailed, of('could not extend file', '53100'), /; free space where its/],
    [
      'a slow statement',
      PostgresFailed,
      of('canceling statement', '57014'),
      /canceling statement$/,
    ],
    ['too large a number', PostgresBadValue, of('out of range', '22003'), /d: out of range$/],
    ['a missing value', PostgresBadValue, of('null value', '23502'), /d: null value$/],
    ['anything else', PostgresFailed, of('duplicate key', '23505'), /d: duplicate key$/],
  ])('is told apart and with a remedy: %s', (_title, kind, error, message) => {
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toMatch(message);
    expect(translateError(error, AT)).toBe(error);
  });
});
