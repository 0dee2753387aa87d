/**
 * A KubeArmorHostPolicy: the schema first, then what is Hostward's own (names, selector, marks), then remarks on its
 * meaning. Each step sees only what the one before accepted.
 */
import { checkAnnotations } from './check-annotations.js';
import { checkField, isRecord, type Place } from './check-field.js';
import { checkMeaning } from './check-meaning.js';
import { checkSelector, isEmptySelector } from './check-selector.js';
import type { Findings } from './findings.js';
import type { HostPolicy, LabelSelector, PolicySelector } from './kinds.js';
import { selectorMarks } from './marks.js';
import { correctName, NAME_REMEDY } from './check-name.js';
import { isDnsSubdomain } from './names.js';
import type { DefaultSelector, Mode, ParseOptions } from './parse-options.js';
import { hostPolicySchema } from './schema.js';

const SELECTOR_PATH = ['spec', 'nodeSelector'];
const SELECTOR_REMEDY = `name the hosts in the file (spec.nodeSelector.matchLabels; for every host ${selectorMarks.allHosts}: "true"), or apply it with --selector KEY=VALUE or --all-hosts`;

/** The policy as it will be stored, or undefined with errors reported. */
export function checkPolicy(
  value: Readonly<Record<string, unknown>>,
  options: ParseOptions,
  findings: Findings,
): HostPolicy | undefined {
  const mode = options.mode ?? 'lenient';
  const completed = withDefaults(value, mode, options.defaultSelector, findings);
  const read = checkField(hostPolicySchema, completed, { path: [], mode, report: findings.report });
  if (findings.hasErrors) return undefined;
  const policy = withName(asPolicy(read), mode, findings);
  checkTarget(policy.spec.nodeSelector, mode, findings);
  checkAnnotations(policy.metadata.annotations ?? {}, findings.report);
  checkMeaning(policy, findings.report);
  return findings.hasErrors ? undefined : policy;
}

/** The schema has been checked without an error, so the value has the type that the schema describes. */
function asPolicy(value: unknown): HostPolicy {
  return value as HostPolicy;
}

/** Fills in what the command line or the lenient mode gives, and refuses a policy without a selector in our words. */
function withDefaults(
  value: Readonly<Record<string, unknown>>,
  mode: Mode,
  selector: DefaultSelector | undefined,
  findings: Findings,
): Readonly<Record<string, unknown>> {
  const versioned = withVersion(value, mode, findings);
  const spec = versioned['spec'];
  if (!isRecord(spec) || !lacksSelector(spec)) return versioned;
  if (selector !== undefined) {
    const nodeSelector = toSelector(selector);
    const message = 'the policy names no hosts; the selector of the command line is used';
    const finding = {
      path: SELECTOR_PATH,
      message,
      remedy: 'write nodeSelector into the file to keep it',
    };
    findings.report({ severity: 'warning', rule: 'default-selector', ...finding });
    return { ...versioned, spec: { ...spec, nodeSelector } };
  }
  if (spec['nodeSelector'] !== undefined && spec['nodeSelector'] !== null) return versioned;
  const message = 'nodeSelector is required: the policy does not say which hosts it is for';
  findings.report({
    ...{ severity: 'error', path: SELECTOR_PATH, rule: 'missing-selector' },
    ...{ message, remedy: SELECTOR_REMEDY },
  });
  return { ...versioned, spec: { ...spec, nodeSelector: {} } };
}

function withVersion(
  value: Readonly<Record<string, unknown>>,
  mode: Mode,
  findings: Findings,
): Readonly<Record<string, unknown>> {
  if (mode === 'crd' || (value['apiVersion'] !== undefined && value['apiVersion'] !== null))
    return value;
  const apiVersion = 'security.kubearmor.com/v1';
  const message = `apiVersion is missing: read as ${apiVersion}`;
  const finding = { path: ['apiVersion'], message, remedy: `add apiVersion: ${apiVersion}` };
  findings.report({ severity: 'warning', rule: 'missing-version', ...finding });
  return { ...value, apiVersion };
}

/** Missing, null or without a single term; one of a wrong type is left to the schema. */
function lacksSelector(spec: Readonly<Record<string, unknown>>): boolean {
  const selector = spec['nodeSelector'];
  if (selector === undefined || selector === null) return true;
  if (!isRecord(selector)) return false;
  return Object.values(selector).every(
    (part) => part === null || (typeof part === 'object' && Object.keys(part ?? {}).length === 0),
  );
}

function toSelector(selector: DefaultSelector): LabelSelector {
  return selector === 'all-hosts'
    ? { matchLabels: { [selectorMarks.allHosts]: 'true' } }
    : selector;
}

/**
 * An empty selector is what the CRD accepts, and it selects nothing: a warning in that mode, and an error in ours.
 */
function checkTarget(selector: PolicySelector, mode: Mode, findings: Findings): void {
  checkSelector(selector, { path: SELECTOR_PATH, report: findings.report });
  if (!isEmptySelector(selector)) return;
  findings.report({
    severity: mode === 'crd' ? 'warning' : 'error',
    path: SELECTOR_PATH,
    rule: 'empty-selector',
    message: 'an empty selector selects no host',
    remedy: SELECTOR_REMEDY,
  });
}

function withName(policy: HostPolicy, mode: Mode, findings: Findings): HostPolicy {
  const place: Place = { path: ['metadata', 'name'], mode, report: findings.report };
  const name = correctName(policy.metadata.name, place);
  if (!isDnsSubdomain(name)) {
    const message = 'it must be a DNS-1123 subdomain';
    const finding = { path: place.path, value: name, message, remedy: NAME_REMEDY };
    findings.report({ severity: 'error', rule: 'bad-name', ...finding });
  }
  return { ...policy, metadata: { ...policy.metadata, name } };
}
