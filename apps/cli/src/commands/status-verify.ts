import { RefusedError, verifySignedStatus, type HostSignedStatus } from '#bundle';
import type { SignedStatusView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { segment } from '../input/names.js';
import { isOlder, problemsOf } from '../keys/judge-signed-status.js';
import { KnownHosts, pinOf } from '../keys/known-hosts.js';
import { pinnedRoot } from '../keys/pinned-root.js';
import { SignedFiles } from '../keys/signed-files.js';
import { printObject } from '../output/print.js';
import { renderTable, type Column } from '../output/table.js';

/** How `status node --verify` was asked. */
export interface VerifyOptions {
  readonly verify?: boolean;
  readonly nodeId?: string;
  readonly root?: string;
  readonly signed?: readonly string[];
  readonly maxAge?: number;
  readonly output: 'table' | 'json' | 'yaml';
}

/** Hosts sign at least every few minutes. */
const MAX_AGE_MS = 15 * 60_000;

/** A node id as it is given on the command line. */
export function nodeIdOption(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new UsageError(
    `"${text}" is no node id: 64 hexadecimal digits, as \`agent enroll\` prints`,
  );
}

/**
 * What a host says of itself by its own signature: the control plane only carries it. Pins the host's id, and the root
 * document, at first sight, and says so.
 */
export async function verifiedNodeStatus(
  controlPlane: ControlPlane,
  name: string,
  options: VerifyOptions,
): Promise<void> {
  const view = await controlPlane.call<SignedStatusView>(
    `/v1/nodes/${segment(name)}/signed-status`,
  );
  const { root, firstSight } = await pinnedRoot(controlPlane, options.root);
  const { document } = root;
  const files = options.signed && (await SignedFiles.read(options.signed, document));
  const hosts = await KnownHosts.of(controlPlane);
  const known = hosts.get(name);
  const { nodeId, by } = pinOf({
    ...{ name, given: options.nodeId, kept: known?.nodeId, shown: view.nodeId },
    authored: files?.idsOf(name),
  });
  const signedStatus = signedStatusOf(view, nodeId);
  const seen = known?.nodeId === nodeId ? known.seen : undefined;
  const now = Date.now();
  const problems = refusing(() =>
    problemsOf(signedStatus, {
      ...{ now, maxAgeMs: options.maxAge ?? MAX_AGE_MS, seen, rootVersion: document.version },
      wanted: files?.wantedBy(nodeId, now),
    }),
  );
  const { bootedAt, sequence } = signedStatus;
  const newest = isOlder(signedStatus, seen) ? seen : { bootedAt, sequence };
  await hosts.put(name, { nodeId, seen: newest });
  print(name, signedStatus, options.output, now);
  if (by === 'first sight') console.error(firstSightOf(name, nodeId));
  if (firstSight)
    console.error(
      `warning: first sight of root document ${document.version}, as the control plane shows it; name your own by --root FILE`,
    );
  if (problems.length > 0)
    throw new CommandFailed(`the signed status of ${name} ${problems.join('; it ')}`);
}

function firstSightOf(name: string, nodeId: string): string {
  return (
    `warning: first sight of ${name}: the control plane says that it is ${nodeId}, and that is believed from now on; ` +
    'compare with the file trust/node-id on the host'
  );
}

function signedStatusOf(
  { node, key, signedStatus }: SignedStatusView,
  nodeId: string,
): HostSignedStatus {
  try {
    return verifySignedStatus(signedStatus, key, nodeId);
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new CommandFailed(
      `what the control plane shows as the signed status of ${node} was not signed by host ${nodeId}: ${cause.message}`,
      'believe nothing that it shows of this host; look at the host itself',
      { cause },
    );
  }
}

/** What the files say may be refused as a whole, as a host would refuse it. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new CommandFailed(`no host would take the signed files: ${cause.message}`, undefined, {
      cause,
    });
  }
}

const POLICIES: readonly Column<HostSignedStatus['policies'][number]>[] = [
  { title: 'POLICY', of: (row) => row.name, cut: 'middle' },
  { title: 'VERSION', of: (row) => String(row.document?.version ?? '-') },
  {
    title: 'RULES',
    of: ({ states }) =>
      Object.entries(states)
        .map(([state, count]) => `${state} ${count}`)
        .join(' ') || '-',
  },
  { title: 'DOCUMENT', of: (row) => row.document?.digest.slice(0, 16) ?? '-' },
];

function print(
  name: string,
  signedStatus: HostSignedStatus,
  output: VerifyOptions['output'],
  now: number,
): void {
  if (output !== 'table') return printObject({ node: name, signedStatus }, output);
  const { nodeId, at, enforcer, mode, applied, rootVersion, suspension, policies } = signedStatus;
  const age = Math.max(0, Math.round((now - at) / 1_000));
  console.log(`node ${name}, signed ${age} s ago by host ${nodeId}`);
  const order = applied ? `epoch ${applied.epoch}, generation ${applied.generation}` : 'none yet';
  console.log(
    `enforcer ${enforcer}, mode ${mode}; assignment: ${order}; root version ${rootVersion}`,
  );
  if (suspension)
    console.log(
      `suspended (${suspension.mode}) until ${new Date(suspension.until).toISOString()} by ${suspension.by}`,
    );
  if (policies.length === 0) return console.log('No policy is in force.');
  console.log(renderTable(POLICIES, policies));
}
