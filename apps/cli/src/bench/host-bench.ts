import {
  buildCommit,
  type DeliveryInquiry,
  forgetSignatures,
  rememberingOpener,
  type SealedBundle,
  verifyDelivery,
} from '#bundle';
import type { BenchReport } from './bench-report.js';
import { median } from './samples.js';
import type { TrustFleet } from './trust-fleet.js';

const AIM_MS = 2;
const SAMPLES = 60;
/** The host's proof leads through a tree of this many leaves, or of the whole fleet if that has fewer. */
const PROOF_HOSTS = 1_000;

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
        'remembered; with every document new; and as the first of a process, host key included',
      rows.flatMap(([metric, { wallMs, cpuMs }]) => [
        { metric, value: wallMs, unit: 'ms' },
        { metric: `${metric}, CPU`, value: cpuMs, unit: 'ms' },
      ]),
    );
    for (const [metric, { wallMs }] of rows)
      report.aim(`${metric}, policies=${policies}`, wallMs, AIM_MS, 'ms');
  }
}

async function hostRows(
  fleet: TrustFleet,
  policies: number,
  signal: AbortSignal,
): Promise<readonly (readonly [string, Spent])[]> {
  const first = Array.from({ length: SAMPLES }, (_, n) =>
    inquiryOf(fleet, fleet.bundleOf(policies, n + 1)),
  );
  const openHostKey = rememberingOpener();
  const later = first.map((inquiry) => ({ ...inquiry, openHostKey }));
  const each = { signal, before: forgetSignatures };
  // Compiles what is measured.
  await verifyMs(first, each);
  const everyNew = await verifyMs(later, each);
  const asFirst = await verifyMs(first, each);
  forgetSignatures();
  const oneNew = await verifyMs(later, { signal, before: () => undefined });
  return [
    ['one document new', oneNew],
    ['every document new', everyNew],
    ['first of a process', asFirst],
  ];
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

/** Medians over verifying each, in this order. */
async function verifyMs(
  inquiries: readonly DeliveryInquiry[],
  { signal, before }: { readonly signal: AbortSignal; readonly before: () => void },
): Promise<Spent> {
  const [wall, used]: [number[], number[]] = [[], []];
  for (const inquiry of inquiries) {
    signal.throwIfAborted();
    before();
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    await verifyDelivery(inquiry);
    wall.push(performance.now() - started);
    const { user, system } = process.cpuUsage(cpu);
    used.push((user + system) / 1_000);
  }
  return { wallMs: median(wall), cpuMs: median(used) };
}
