export { compileRuleSet } from './compile.js';
export { attribute } from './attribute.js';
export { findLockouts } from './lockouts.js';
export { GENERIC_DEBIAN } from './protected-paths.js';
export { CATCH_ALL, EXECUTOR, EXECUTOR_PROFILE, isOwnProfile } from './names.js';
export type {
  AllowList,
  AttributionTable,
  CellEntry,
  Compilation,
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
  ProtectedPath,
  RuleClass,
  RuleReference,
  RuleReport,
} from './types.js';
