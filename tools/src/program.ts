import { type Groups, part } from '../../apps/cli/src/program.js';

/** Commands that work on the sources, so that no package has them. */
export const DEVELOPMENT: Groups = {
  'Development:': [
    part(['demo'], async () => (await import('./commands/demo.js')).registerDemo),
    part(['lab'], async () => (await import('./commands/lab.js')).registerLab),
    part(['test'], async () => (await import('./commands/test.js')).registerTest),
    part(['bench'], async () => (await import('./commands/bench.js')).registerBench),
    part(['package'], async () => (await import('./commands/package.js')).registerPackage),
    part(['sbom'], async () => (await import('./commands/sbom.js')).registerSbom),
    part(['audit'], async () => (await import('./commands/audit.js')).registerAudit),
  ],
};
