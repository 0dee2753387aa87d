export { PostgresDatabase } from './database.js';
export type { PostgresOptions } from './database.js';
export type { Query, Row } from './query.js';
export { PostgresBadValue, PostgresError, PostgresUnavailable } from './errors.js';
