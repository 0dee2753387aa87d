export type {
  Action,
  Document,
  Group,
  HostPolicy,
  HostPolicySpec,
  Kind,
  LabelExpression,
  LabelSelector,
  Metadata,
  PolicySelector,
  Posture,
  Tier,
  VirtualMachine,
} from './kinds.js';
export type { Diagnostic } from './diagnostic.js';
export type {
  DefaultSelector,
  Mode,
  ParsedDocument,
  ParsedText,
  ParseOptions,
} from './parse-options.js';
export type { PathMatch, Rule, RuleObject, RuleSet, SourceDirectory } from './rule.js';
export type { Explanation, SelectorTest, TargetNode } from './node.js';
export {
  annotationMarks,
  hostnameKeys,
  labelMarks,
  liftedPolicy,
  machineMarks,
  overridesProtection,
  postureOf,
  groupOf,
  selectorMarks,
  sshHostKeyOf,
  tierOf,
  untilOf,
} from './marks.js';
export { matchesGlob } from './glob.js';
export { groupSelects, selectsNode } from './selector.js';
export { explainSelection } from './explain-selection.js';
export { rulesOf } from './rules-of.js';
export { InvalidPolicyError, signedRuleSet } from './signed-rule-set.js';
export { Relation } from './relation.js';
export { TargetIndex } from './target-index.js';
export { VISIBILITY_CLASSES, visibilityFault, visibilityOf } from './visibility.js';
export type { VisibilityClass } from './visibility.js';
export { formatDiagnostic } from './format-diagnostic.js';
export { IN_PARTS } from './text-bounds.js';
export { parseDocuments } from './parse-documents.js';
export { validateDocument } from './validate-document.js';
export { parseSelector, SelectorSyntaxError } from './parse-selector.js';
export type { RuleCode } from './rule-codes.js';
