import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Product } from './product.js';

const UP_TIMEOUT_MS = 400_000;

/** Puts a backup back elsewhere, with a CA and ports of Redis of its own, as the guide of a move says. Stop it when done. */
export async function restoredElsewhere(backup: string): Promise<Product> {
  const product = await Product.prepare();
  await product.must(['restore', backup, `--data-dir=${product.dataDir}`]);
  await rm(join(product.dataDir, 'control-plane/pki'), { recursive: true });
  await rm(join(product.dataDir, 'ports.json'));
  const args = ['up', '--detach', `--data-dir=${product.dataDir}`, '--reset-admin-token'];
  await product.must(
    [...args, `--listen=127.0.0.1:${product.port}`, '--no-local-agent'],
    UP_TIMEOUT_MS,
  );
  return product;
}
