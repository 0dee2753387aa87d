import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DebianRelease, Vm } from '#testing';
import {
  BYPASS_LATER_POLICY,
  BYPASS_POLICY,
  BYPASS_SETUP,
  MANY_NAMES,
} from './support/bypass-host.js';
import { alertsOf } from './support/alerts.js';
import { type BypassRow, type Outcome, TOOL } from './support/bypass-row.js';
import { BYPASS_ROWS } from './support/bypass-rows.js';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { isAllowed, isBlocked } from './support/guest.js';

const MINUTES = 60_000;
/** Of a million that the kernel permits. More take long: each program is verified for itself when it is loaded. */
const VERIFIED_MOST = 60_000;
type Enforcer = 'bpf' | 'apparmor';

interface Host {
  readonly release: DebianRelease;
  readonly kernel: string;
  /** Debian 12's parser is too old for our profiles. */
  readonly enforcers: readonly Enforcer[];
}
const HOST: Host = { release: 'trixie', kernel: '6.12', enforcers: ['bpf', 'apparmor'] };
const OLDER_HOST: Host = { release: 'bookworm', kernel: '6.1', enforcers: ['bpf'] };
const isFull = process.env['HOSTWARD_FULL'] === '1';

interface Attempt {
  readonly code: number;
  readonly output: string;
}

const rowsOf = (enforcer: Enforcer): readonly BypassRow[] =>
  BYPASS_ROWS.filter(({ apparmor }) => enforcer === 'bpf' || apparmor !== null);

const wantedOf = ({ bpf, apparmor }: BypassRow, enforcer: Enforcer): Outcome =>
  enforcer === 'bpf' ? bpf : (apparmor ?? bpf);

/** Every way round a rule that we know, on one VM, by each enforcer in turn (D7, docs/reference/enforcement-limits.md). */
describe.each(isFull ? [HOST, OLDER_HOST] : [HOST])('ways round a rule, kernel $kernel', (host) => {
  const { release, kernel, enforcers } = host;
  let fleet: Fleet;
  let vm: Vm;
  const seen = new Map<string, Attempt>();
  let verified: Readonly<Record<string, number>> = {};
  let reported = '';
  let reportedLater = '';
  let holder = '';

  beforeAll(async () => {
    fleet = await Fleet.start({ release });
    vm = await fleet.host('web1', 'env=prod', 'bpf');
    expect((await vm.ssh('uname -r')).stdout.startsWith(`${kernel}.`)).toBe(true);
    await vm.writeFile(TOOL, readFileSync(new URL('support/bypass.py', import.meta.url), 'utf8'));
    await vm.ssh(BYPASS_SETUP);
    await fleet.product.apply(BYPASS_POLICY, '--wait', '--timeout', '300s');
    reported = (await vm.ssh('hostward-sensor status --json')).stdout;
    verified = JSON.parse((await vm.ssh(`python3 ${TOOL} verified`)).stdout) as typeof verified;
    for (const enforcer of enforcers) {
      await changeTo(vm, enforcer);
      const { stdout } = await vm.ssh(['python3', TOOL, 'rows'], {
        input: JSON.stringify(rowsOf(enforcer)),
        timeoutMs: 5 * MINUTES,
      });
      for (const [name, attempt] of Object.entries(JSON.parse(stdout) as Record<string, Attempt>)) {
        seen.set(`${enforcer} ${name}`, attempt);
      }
      if (enforcer !== 'bpf') continue;
      holder = await holderOfWhatIsRefusedLater(fleet, vm);
      reportedLater = (await vm.ssh('hostward-sensor status --json')).stdout;
    }
  }, 20 * MINUTES);
  afterAll(() => fleet?.close());

  describe.each(enforcers)('on %s', (enforcer) => {
    it.each(rowsOf(enforcer))('$name', (row) => {
      const attempt = seen.get(`${enforcer} ${row.name}`);
      const wanted = wantedOf(row, enforcer);
      const outcome = typeof wanted === 'string' ? wanted : 'open';
      expect({ outcome: outcomeOf(attempt), output: attempt?.output }).toEqual({
        outcome,
        output: expect.anything(),
      });
    });
  });

  it('who has open what a rule refuses is told, by process', () => {
    expect(coverageIn(reported)).toMatchObject({
      uncovered: 1,
      list: [expect.stringMatching(/^\d+ python3$/)],
    });
  });

  it('and is killed where the owner of the host wants that', () => {
    expect(holder).toBe('signal');
  });

  it('a capability that a program asks for is told of, not one that the kernel asks of for itself', async () => {
    const told = async (program: string): Promise<number> =>
      (await alertsOf(fleet.product, 'bypass')).filter(
        ({ ProcessName, Operation }) => ProcessName === program && Operation === 'Capabilities',
      ).length;
    await eventually('the one is told', MINUTES, async () => (await told('/srv/pkg/asker')) > 0);
    expect(await told('/srv/pkg/quiet')).toBe(0);
  });

  it('files of which not all names are bound are told of', () => {
    expect(coverageIn(reported)).not.toHaveProperty('byPathAlone');
    expect(coverageIn(reportedLater)['byPathAlone']).toBe('there is no room for 1 of the names');
  });

  it('the programs stay far below what the verifier bears', () => {
    process.stdout.write(
      `instructions processed by the verifier of ${kernel}: ${JSON.stringify(verified)}\n`,
    );
    const figures = Object.values(verified);
    expect(figures.length).toBeGreaterThan(30);
    expect(Math.max(...figures)).toBeLessThan(VERIFIED_MOST);
  });
});

if (!isFull) {
  it.skip('ways round a rule, kernel 6.1 (skipped: takes minutes, run with --full)', () =>
    undefined);
}

function coverageIn(status: string): Readonly<Record<string, unknown>> {
  return (JSON.parse(status) as { coverage: Readonly<Record<string, unknown>> }).coverage;
}

/** What a command of the row came to, by its words: a shell tells no errno. */
function outcomeOf(attempt: Attempt | undefined): string {
  if (attempt?.code === 0) return 'open';
  if (/EACCES|[Pp]ermission denied|failed to map segment/.test(attempt?.output ?? ''))
    return 'EACCES';
  return /EPERM|Operation not permitted/.test(attempt?.output ?? '') ? 'EPERM' : 'neither';
}

/** How a process ended that had a file open when a rule came that refuses it, and `onOpenDescriptors` is `kill`. */
async function holderOfWhatIsRefusedLater(fleet: Fleet, vm: Vm): Promise<string> {
  await vm.ssh(
    `echo data > ${MANY_NAMES[0]}; for name in ${MANY_NAMES.slice(1).join(' ')}; do ln ${MANY_NAMES[0]} $name; done
    echo data > /srv/open/later; echo 'onOpenDescriptors: kill' >> /etc/hostward/agent.yaml
    systemd-run --quiet --unit=bypass-many -p RemainAfterExit=yes -p LimitNOFILE=130000 python3 ${TOOL} hold /srv/open/later /run/bypass-many 120000
    until test -e /run/bypass-many.held; do python3 -c 'import time; time.sleep(0.1)'; done
    systemd-run --quiet --unit=bypass-later -p RemainAfterExit=yes python3 ${TOOL} hold /srv/open/later /run/bypass-later
    until test -e /run/bypass-later.held; do python3 -c 'import time; time.sleep(0.1)'; done`,
  );
  await fleet.product.apply(BYPASS_LATER_POLICY, '--wait', '--timeout', '300s');
  const result = 'systemctl show -P Result bypass-later bypass-many | sort -u | xargs';
  await eventually('the holders are gone', MINUTES, () =>
    isAllowed(vm, `test "$(${result})" = signal`),
  );
  return (await vm.ssh(result)).stdout.trim();
}

async function changeTo(vm: Vm, enforcer: Enforcer): Promise<void> {
  await vm.ssh(`sed -i 's/^enforcer: .*/enforcer: ${enforcer}/' /etc/hostward/agent.yaml`);
  await eventually(`${enforcer} enforces`, 2 * MINUTES, async () => {
    const { stdout } = await vm.ssh('hostward-sensor status --json', { allowFailure: true });
    return stdout.includes(`"enforcer":"${enforcer}"`) && isBlocked(vm, 'cat /srv/keys/id');
  });
}
