export { compileRuleSet } from './compile.js';
export { attribute, forbiddingRules } from './attribute.js';
export { compileGlob, type Glob, globProblem, parseGlob } from './resolve/glob.js';
export { usbClassName } from './plan/devices.js';
export { capabilityName } from './resolve/cells.js';
export { findLockouts } from './plan/lockouts.js';
export { PROGRAM_DIRS } from './resolve/objects.js';
export {
  addressClients,
  authorizedKeys,
  GENERIC_DEBIAN,
  loginShells,
  waysToRoot,
} from './plan/protected-paths.js';
export { systemdLibraries } from './plan/protected-libraries.js';
export { AGENT_PROFILE, BLOCKED_PROFILE, CATCH_ALL, sourceProfileName } from './resolve/names.js';
export { keepsOwnProfile } from './apparmor/leaving.js';
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
} from './plan/types.js';
export { parseVeto, vetoProblem } from './resolve/veto.js';
export type { Veto } from './resolve/veto.js';
