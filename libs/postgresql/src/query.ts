/** A row as the driver gives it: what is wider than 2^53 is text. */
export type Row = Readonly<Record<string, unknown>>;

/** Runs one statement with its values; how many rows it touched, and which it answered. */
export type Query = (
  sql: string,
  values?: readonly unknown[],
) => Promise<{ readonly count: number; readonly rows: readonly Row[] }>;
