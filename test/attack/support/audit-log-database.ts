import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Product } from '../../e2e/support/product.js';

/** The audit log's store under the hands of somebody who owns the control plane's disk. */
export function withAuditLog<T>(
  { dataDir }: Pick<Product, 'dataDir'>,
  use: (db: DatabaseSync) => T,
): T {
  const db = new DatabaseSync(join(dataDir, 'control-plane', 'audit-log.db'));
  try {
    db.exec('PRAGMA busy_timeout = 5000');
    return use(db);
  } finally {
    db.close();
  }
}
