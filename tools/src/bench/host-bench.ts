import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import {
  buildCommit,
  type DeliveryInquiry,
  forgetSignatures,
  rememberingOpener,
  type SealedBundle,
  verifyDelivery,
} from '#bundle';
import type { BenchReport } from './bench-report.js';
import { median } from '../../../apps/cli/src/sim/samples.js';
import type { TrustFleet } from './trust-fleet.js';

const AIM_MS = 2;
const SAMPLES = 60;
/** The host's proof leads through a tree of this many leaves, or of the whole fleet if that has fewer. */
const PROOF_HOSTS = 1_000;
/** Of what is signed for a policy of the fleet, about. */
const SIGNED_BYTES = 400;
/** Signatures of a delivery that are not of policies: those of the root document and of the commit. */
const OTHER_SIGNATURES = 2;

/** What one host does with a delivery, by how much of it its process has seen before. */
export async function hostCase(
  report: BenchReport,
  fleet: TrustFleet,
  signal: AbortSignal,
): Promise<void> {
  for (const policies of [1, 5, 20]) {
    const rows = await hostRows(fleet, policies, signal);
    report.case(
      `one host, policies=${policies}`,
      'a delivery verified and opened: with one document new, the other signatures being\n' +
        'remembered; with every document new; and as the first of a process, channel key included;\n' +
        'baseline: as many bare Ed25519 verifications as it has new signatures, one after another',
      rows.flatMap(({ metric, ours, bare }) => [
        { metric, value: ours.wallMs, unit: 'ms', baseline: bare.wallMs },
        { metric: `${metric}, CPU`, value: ours.cpuMs, unit: 'ms', baseline: bare.cpuMs },
      ]),
    );
    for (const { metric, ours } of rows)
      report.aim(`${metric}, policies=${policies}`, ours.wallMs, AIM_MS, 'ms');
  }
}

/** What a kind of delivery took, and the signatures in it alone. */
interface Row {
  readonly metric: string;
  readonly ours: Spent;
  readonly bare: Spent;
}

async function hostRows(
  fleet: TrustFleet,
  policies: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const first = Array.from({ length: SAMPLES }, (_, n) =>
    inquiryOf(fleet, fleet.bundleOf(policies, n + 1)),
  );
  const openChannelKey = rememberingOpener();
  const later = first.map((inquiry) => ({ ...inquiry, openChannelKey }));
  const all = bareVerifications(policies + OTHER_SIGNATURES);
  // Of the commit, and of the one policy.
  const two = bareVerifications(2);
  // Compiles what is measured.
  await rowOf('', first, { signal, before: forgetSignatures, bare: all });
  const everyNew = { signal, before: forgetSignatures, bare: all };
  const rows = [
    await rowOf('every document new', later, everyNew),
    await rowOf('first of a process', first, everyNew),
  ];
  forgetSignatures();
  return [
    await rowOf('one document new', later, { signal, before: () => undefined, bare: two }),
    ...rows,
  ];
}

/** The floor: what a delivery cannot do without, by Node's own function. */
function bareVerifications(count: number): () => void {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const signed = Array.from({ length: count }, () => {
    const message = randomBytes(SIGNED_BYTES);
    return { message, signature: sign(null, message, privateKey) };
  });
  return () => {
    for (const { message, signature } of signed) {
      if (!verify(null, message, publicKey, signature)) throw new Error('a signature is wrong');
    }
  };
}

function inquiryOf(fleet: TrustFleet, bundle: SealedBundle): DeliveryInquiry {
  const [host] = fleet.hosts;
  if (host === undefined) throw new RangeError('a fleet without hosts has no deliveries');
  return {
    record: buildCommit(fleet.commitInput(bundle, PROOF_HOSTS)).records.get(host.nodeId),
    bundle: bundle.ciphertext,
    trustedRoot: fleet.root,
    nodeId: host.nodeId,
    sealingPrivateKey: host.privateKey,
    now: fleet.now,
  };
}

/** Wall-clock time, and CPU time of all threads. */
interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Medians over verifying each, in this order, the baseline after each, so that both meet the same machine. */
async function rowOf(
  metric: string,
  inquiries: readonly DeliveryInquiry[],
  on: { readonly signal: AbortSignal; readonly before: () => void; readonly bare: () => void },
): Promise<Row> {
  const [ours, bare]: [Spent[], Spent[]] = [[], []];
  for (const inquiry of inquiries) {
    on.signal.throwIfAborted();
    on.before();
    ours.push(await spent(() => verifyDelivery(inquiry)));
    bare.push(await spent(on.bare));
  }
  return { metric, ours: medianSpent(ours), bare: medianSpent(bare) };
}

function medianSpent(samples: readonly Spent[]): Spent {
  return {
    wallMs: median(samples.map(({ wallMs }) => wallMs)),
    cpuMs: median(samples.map(({ cpuMs }) => cpuMs)),
  };
}

async function spent(work: () => unknown): Promise<Spent> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1_000 };
}
