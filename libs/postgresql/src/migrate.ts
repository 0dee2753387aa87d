import { PostgresRefused } from './errors.js';
import type { Query } from './query.js';

/** Of this program's migrations, in every database. */
const LOCK = 7_402_118_331;

/**
 * Brings the schema `hostward` to the last of `migrations`, in one transaction; replicas that start at once take turns.
 * Throws PostgresRefused for a server that would lose what it says it has, and for a schema of a newer version, unless this
 * process `wasHere` before that: one that runs goes on beside a newer one.
 */
export async function migrate(
  query: Query,
  migrations: readonly string[],
  { database, wasHere }: { readonly database: string; readonly wasHere: boolean },
): Promise<void> {
  await checkSettings(query, database);
  await query('BEGIN');
  await query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  await query('CREATE SCHEMA IF NOT EXISTS hostward');
  await query('CREATE TABLE IF NOT EXISTS hostward.migrations (version integer PRIMARY KEY)');
  const { rows } = await query(
    'SELECT coalesce(max(version), 0) AS version FROM hostward.migrations',
  );
  const version = Number(rows[0]?.['version']);
  if (version > migrations.length && !wasHere) {
    const known = `this one knows ${migrations.length}`;
    throw new PostgresRefused(
      `database ${JSON.stringify(database)} has schema ${version}, ${known}: a newer version of hostward made it; upgrade this replica`,
    );
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    await query(sql);
    await query('INSERT INTO hostward.migrations VALUES ($1)', [index + 1]);
  }
  await query('COMMIT');
}

const NEEDED: readonly (readonly [string, RegExp, string])[] = [
  ['server_encoding', /^UTF8$/, 'create the database with ENCODING UTF8'],
  ['fsync', /^on$/, 'set fsync = on there: hosts drop what we say is stored'],
  ['synchronous_commit', /^(on|remote_\w+)$/, 'set it to on for the role or the database'],
];

async function checkSettings(query: Query, database: string): Promise<void> {
  for (const [name, pattern, remedy] of NEEDED) {
    const { rows } = await query('SELECT current_setting($1) AS value', [name]);
    const value = String(rows[0]?.['value']);
    if (pattern.test(value)) continue;
    throw new PostgresRefused(
      `database ${JSON.stringify(database)}: ${name} is ${value}; ${remedy}`,
    );
  }
}
