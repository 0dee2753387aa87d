import type { Command } from 'commander';
import { productVersion } from '../product/product-version.js';

export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', '\nExample:\n  hostward version')
    .action(() => console.log(`hostward ${productVersion()} (Node ${process.versions.node})`));
}
