import type { Command } from 'commander';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { outputFile, PUBLIC, writeOutput } from '../../../apps/cli/src/output/output-file.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { productionBom, withComponents, type Bom } from '../supply/bom.js';
import { debianComponents } from '../supply/debian-packages.js';
import { lockedPackages } from '../supply/lock-file.js';
import { npm } from '../supply/npm.js';

export function registerSbom(program: Command): void {
  program
    .command('sbom')
    .option(
      '--output <file>',
      'where to write it; standard output by default',
      outputFile('--output'),
    )
    .description('what this build is made of, as CycloneDX JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward sbom\n  hostward sbom --output hostward.cdx.json',
    )
    .action(async ({ output }: { output?: string }) => {
      const text = `${JSON.stringify(await makeBom(packageRoot()), null, 2)}\n`;
      if (output === undefined) process.stdout.write(text);
      else await writeOutput(output, text, { mode: PUBLIC });
    });
}

/** npm's list of what package-lock.json pins and ships, with the Debian packages that go with it. */
export async function makeBom(root: string): Promise<Bom> {
  const args = ['--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const { code, stdout, stderr } = await npm(root, ['sbom', ...args]);
  if (code !== 0) {
    throw new CommandFailed(
      `\`npm sbom\` ended with ${code}: ${stderr.trim()}`,
      'npm 10 or later makes it; `npm --version` says which is installed',
    );
  }
  const all = JSON.parse(stdout) as Bom;
  return withComponents(productionBom(all, lockedPackages(root)), await debianComponents());
}
