export { compileRuleSet } from './compile.js';
export { attribute, forbiddingRules } from './attribute.js';
export { compileGlob, type Glob, globProblem, parseGlob } from './glob.js';
export { usbClassName } from './devices.js';
export { capabilityName } from './cells.js';
export { findLockouts } from './lockouts.js';
export { PROGRAM_DIRS } from './objects.js';
export {
  addressClients,
  authorizedKeys,
  GENERIC_DEBIAN,
  loginShells,
  waysToRoot,
} from './protected-paths.js';
export { systemdLibraries } from './protected-libraries.js';
export { AGENT_PROFILE, BLOCKED_PROFILE, CATCH_ALL, sourceProfileName } from './names.js';
export { keepsOwnProfile } from './leaving.js';
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
export { parseVeto, vetoProblem } from './veto.js';
export type { Veto } from './veto.js';
