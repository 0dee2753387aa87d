export { PostgresDatabase } from './database.js';
export type { PostgresOptions } from './database.js';
export type { Query, Row } from './query.js';
export { PostgresError, PostgresUnavailable } from './errors.js';
