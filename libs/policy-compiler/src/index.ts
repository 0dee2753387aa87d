export { compileRuleSet } from './compile.js';
export { pathsToResolve } from './resolve.js';
export { attribute } from './attribute.js';
export { findLockouts } from './lockouts.js';
export { GENERIC_DEBIAN } from './protected-paths.js';
export { CATCH_ALL, isOwnProfile, sourceProfileName } from './names.js';
export { compileGlob, globProblem } from './glob.js';
export { EMPTY_RULE_SET } from './types.js';
export type {
  AllowList,
  AppArmorCapabilities,
  AttributionTable,
  CellEntry,
  Compilation,
  CompiledProfile,
  CompileReport,
  ControlPathFacts,
  Denial,
  EntrySet,
  HostCapabilities,
  Lockout,
  PathEntry,
  Plan,
  PolicyReport,
  Probe,
  ProbeWish,
  ProfileTexts,
  ProtectedPath,
  RuleClass,
  RuleReference,
  RuleReport,
} from './types.js';
