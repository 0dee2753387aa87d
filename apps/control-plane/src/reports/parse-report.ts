import { limits, type SignedDocument } from '#bundle';
import {
  MAX_REPORT_INTERVAL_MS,
  MAX_RULES_PER_POLICY,
  CONDITIONS,
  REDIRECT_STATES,
  REPORT_INTERVAL_MS,
  RULE_STATES,
  type BpfLosses,
  type Coverage,
  type Drift,
  type HostFacts,
  type NodeReport,
  type AssignmentVersion,
  type PolicyOnNode,
  type RedirectReport,
  type RolledBack,
  type RuleStatus,
  type Suspension,
  type Visibility,
} from '#contracts';
import {
  ShapeError,
  count,
  instant,
  list,
  matching,
  oneOf,
  optional,
  parseJson,
  record,
  shared,
  text,
  version1,
  type Read,
} from '../http/shape.js';

/** Of Ed25519, in base64. */
const SIGNATURE_CHARS = 88;

const decimal = matching(/^[0-9]{1,20}$/, 'must be a decimal number');
const hex64 = matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');
const headName = matching(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits');
const digest = matching(/^[0-9a-f]{64}$|^$/, 'must be a digest');

const interval: Read<number> = (value, field) => {
  const ms = count(value, field);
  if (ms >= REPORT_INTERVAL_MS && ms <= MAX_REPORT_INTERVAL_MS) return ms;
  const bounds = `${REPORT_INTERVAL_MS} to ${MAX_REPORT_INTERVAL_MS}`;
  throw new ShapeError(field, `must be from ${bounds}`);
};

const rule: Read<RuleStatus> = record<RuleStatus>({
  id: text(300),
  state: oneOf(RULE_STATES),
  proof: optional(oneOf(['probe', 'read-back'])),
  reason: optional(text(2_000)),
});

const policy: Read<PolicyOnNode> = record<PolicyOnNode>({
  policy: text(253),
  revision: decimal,
  rules: list(rule, MAX_RULES_PER_POLICY),
});

const coverage: Read<Coverage> = record<Coverage>({
  confinedProcesses: count,
  uncoveredProcesses: count,
  uncovered: list(text(300), 20),
  byPathAlone: optional(text(500)),
});

const drift: Read<Drift> = record<Drift>({
  what: text(500),
  detectedAt: instant,
  repairedAt: optional(instant),
});

const suspension: Read<Suspension> = record<Suspension>({
  mode: oneOf(['audit', 'off']),
  until: instant,
  reason: text(1_000),
  by: oneOf(['console', 'control-plane', 'boot-guard']),
});

const hostFacts: Read<HostFacts> = record<HostFacts>({
  hostname: text(300),
  kernel: shared(text(300)),
  lsm: shared(list(text(60), 32)),
  parser: optional(shared(text(200))),
});

const signedStatus: Read<SignedDocument> = record<SignedDocument>({
  payloadType: text(128),
  payload: text(Math.ceil(limits.signedStatusBytes / 3) * 4),
  signatures: list(
    record({ keyid: hex64, sig: text(SIGNATURE_CHARS) }),
    limits.signaturesPerDocument,
  ),
});

const report: Read<NodeReport> = record<NodeReport>({
  v: version1,
  nodeId: hex64,
  sequence: count,
  bootedAt: instant,
  asOf: instant,
  nextWithinMs: optional(interval),
  enforcer: oneOf(['apparmor', 'bpf', 'observe', 'none']),
  enforcerReason: optional(shared(text(500))),
  applied: optional(
    shared(
      record<NonNullable<NodeReport['applied']>>({
        epoch: decimal,
        generation: decimal,
        issuedAt: count,
        bundleDigest: digest,
      }),
    ),
  ),
  seen: optional(
    record<AssignmentVersion>({ epoch: decimal, generation: decimal, issuedAt: count }),
  ),
  rejected: optional(
    record<NonNullable<NodeReport['rejected']>>({
      code: text(100),
      message: text(2_000),
      at: instant,
      epoch: optional(decimal),
      generation: optional(decimal),
      issuedAt: optional(count),
    }),
  ),
  conditions: list(oneOf(CONDITIONS), 8),
  suspension: optional(suspension),
  coverage: optional(coverage),
  drift: list(drift, 100),
  policies: shared(list(policy, limits.policiesPerBundle)),
  host: hostFacts,
  versions: shared(record<NodeReport['versions']>({ agent: text(100), sensor: text(100) })),
  losses: shared(
    record<NodeReport['losses']>({
      audit: count,
      spool: count,
      bpf: optional(
        record<BpfLosses>({
          ring: count,
          reserve: count,
          scratch: count,
          race: count,
          throttled: count,
        }),
      ),
    }),
  ),
  visibility: optional(
    record<Visibility>({
      wanted: list(text(60), 16),
      watched: list(text(60), 16),
      reason: optional(text(500)),
      losses: record<Visibility['losses']>({
        ring: count,
        scratch: count,
        race: count,
        repeated: count,
        queue: count,
        agent: count,
      }),
    }),
  ),
  rolledBack: optional(
    record<RolledBack>({ from: text(100), to: text(100), at: instant, reason: text(300) }),
  ),
  redirect: optional(
    record<RedirectReport>({
      state: oneOf(REDIRECT_STATES),
      issuedAt: count,
      to: text(512),
      code: optional(text(100)),
      message: optional(text(2_000)),
      at: instant,
    }),
  ),
  heads: optional(shared(list(headName, limits.auditLogHeadsPerHost))),
  // Kept as it came: who asks for it verifies it, since it is not for us.
  signedStatus: optional(signedStatus),
});

/**
 * Reads a report that was opened with the key of host `nodeId`: strict, bounded, and about that host only.
 * Throws ShapeError.
 */
export function parseReport(bytes: Uint8Array, nodeId: string): NodeReport {
  const parsed = report(parseJson(bytes, 'report'), 'report');
  if (parsed.nodeId !== nodeId) throw new ShapeError('report.nodeId', 'names another host');
  return parsed;
}
