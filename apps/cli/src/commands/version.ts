import { createRequire } from 'node:module';
import type { Command } from 'commander';
import { packageRoot } from '../package-root.js';

/** The version of package.json. */
export function productVersion(): string {
  const found: unknown = createRequire(import.meta.url)(`${packageRoot()}/package.json`);
  return (found as { version: string }).version;
}

export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', '\nExample:\n  hostward version')
    .action(() => console.log(`hostward ${productVersion()} (Node ${process.versions.node})`));
}
