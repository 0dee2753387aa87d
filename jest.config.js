// One configuration for every suite; `./hostward test` selects by file-name suffix.
export default {
  testEnvironment: '<rootDir>/tools/patient-environment.mjs',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/tools'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: {
    '^#([^/]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  setupFiles: ['<rootDir>/tools/property-seed.mjs'],
  testRegex: '\\.(spec|int-spec|e2e-spec|attack-spec|fuzz-spec|fault-spec|vm-spec)\\.ts$',
  testSequencer: '<rootDir>/tools/longest-first.mjs',
  testTimeout: 180_000,
};
