import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { AuthoritiesView, NextAuthority, TrustedByControlPlane } from '#contracts';
import { fingerprint, parseCertificate, type KeyAndCertificate } from '#pki';
import { actor } from '../auth/caller.js';
import { ConfigError } from '../config/config-error.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { type ProblemError, invalidField, conflict } from '../http/index.js';
import { Mutex } from '../http/mutex.js';
import { Authorities, checkNext } from './authorities.js';
import { Announcement } from './announcement.js';
import { HostTrust } from './host-trust.js';
import { OwnCertificates } from './own-certificates.js';

const HINT_EVERY_MS = 30_000;
const MAX_WAITING = 16;
const MAX_NAMES = 100;

/** A step that an operator takes; `leaveBehind` also where hosts are cut off by it that did not follow. */
type Step = 'switch' | 'finish' | 'abort';

/**
 * Replaces the authority with an overlap in which both are trusted: no certificate of the next one is used before every
 * host trusts it, and the one before is given up only after nothing of ours is of it any more.
 */
@Injectable()
export class AuthoritiesService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #mutex = new Mutex(MAX_WAITING, 'changes of authorities');
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly authorities: Authorities,
    private readonly hosts: HostTrust,
    private readonly own: OwnCertificates,
    private readonly fleet: Fleet,
    private readonly told: Announcement,
  ) {}

  /** Hosts that were away when they were told are told again, for as long as there is one that did not follow. */
  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.#hint(), HINT_EVERY_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** How far it is, with the hosts that the caller sees. */
  view(): AuthoritiesView {
    const { phase, trusted, issuing } = this.authorities;
    const { current, behind } = this.#hostsOf(this.fleet.read());
    return {
      phase,
      authorities: trusted.map(({ role, certificatePem: certificate }) => ({
        role,
        fingerprint: fingerprint(certificate),
        until: parseCertificate(certificate).notAfter.toISOString(),
        certificate,
      })),
      renewed: this.own.areOf(issuing.certificatePem),
      hostsCurrent: current,
      hostsBehind: behind.length,
      behind: behind.slice(0, MAX_NAMES),
    };
  }

  /** What a host is to trust, after it has said what it does. */
  exchange(nodeId: string, trusted: readonly string[]): TrustedByControlPlane {
    this.hosts.take(nodeId, trusted);
    return {
      authorities: this.authorities.trusted.map(({ certificatePem }) => certificatePem),
      issuing: fingerprint(this.authorities.issuing.certificatePem),
    };
  }

  /** The next authority is trusted from now on. Throws 400 for one that cannot be one, 409 while another is on its way. */
  begin(next: NextAuthority): Promise<AuthoritiesView> {
    return this.#mutex.run(async () => {
      const { phase } = this.authorities;
      const remedy = '`hostward ca status` says what comes next in this one';
      if (phase !== 'settled')
        throw conflict('phase', phase, 'lets no further replacement begin', remedy);
      const given = this.#given(next);
      await this.#record('begun', given ? 'given' : 'made here');
      await this.authorities.begin(given);
      return this.#after();
    });
  }

  /** Takes a step. Throws 409 where it is not the one to take now, or where something would be cut off by it. */
  step(step: Step, leaveBehind: boolean): Promise<AuthoritiesView> {
    return this.#mutex.run(async () => {
      this.#check(step);
      const left = this.#hostsOf(this.fleet.whole()).behind;
      if (step !== 'abort' && left.length > 0 && !leaveBehind) throw behindError(step, left);
      await this.#record(PAST[step], left.length > 0 && step !== 'abort' ? left : []);
      await this.authorities[step]();
      return this.#after();
    });
  }

  #check(step: Step): void {
    const refuse = (why: string, remedy: string): never => {
      throw conflict('step', step, `cannot be taken: ${why}`, remedy);
    };
    const { phase, issuing } = this.authorities;
    const look = '`hostward ca status` says what comes next';
    if (step !== 'finish') {
      if (phase !== 'begun') refuse('no replacement waits for it', look);
      return;
    }
    if (phase !== 'switched') refuse('the next CA does not sign yet', look);
    if (!this.own.areOf(issuing.certificatePem))
      refuse(
        'certificates of the control plane or of Redis are still of the CA before',
        '`up` renews them within seconds: `hostward ca finish --wait`; where you make them, do so first',
      );
  }

  #given({ certificate, privateKey }: NextAuthority): KeyAndCertificate | undefined {
    if (certificate === undefined && privateKey === undefined) return undefined;
    const next = { certificatePem: certificate ?? '', privateKeyPem: privateKey ?? '' };
    try {
      checkNext(next, this.authorities.trusted);
      return next;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw invalidField(error.key, undefined, error.rule, 'give a certificate and its key in PEM');
    }
  }

  #hostsOf(state: FleetState): { readonly current: number; readonly behind: readonly string[] } {
    const wanted = this.#trusted();
    const enrolled = state.nodes
      .sorted()
      .filter(({ record }) => record.enrollment && state.believed(record));
    const behind = enrolled.filter(
      ({ record }) => !this.hosts.trusts(record.enrollment?.nodeId ?? '', wanted),
    );
    return {
      current: enrolled.length - behind.length,
      behind: behind.map(({ name }) => name),
    };
  }

  #trusted(): ReadonlySet<string> {
    const { trusted } = this.authorities;
    return new Set(trusted.map(({ certificatePem }) => fingerprint(certificatePem)));
  }

  async #record(action: string, what: string | readonly string[]): Promise<void> {
    const detail =
      typeof what === 'string' ? { authority: what } : { leftBehind: what.slice(0, MAX_NAMES) };
    const target = fingerprint(this.authorities.issuing.certificatePem);
    await this.told.auditLog({ by: actor(), action: `authority.${action}`, target, detail });
  }

  /** Hosts hear of each step, also of one that changes only who signs: they then get certificates of that one. */
  #after(): AuthoritiesView {
    void this.told.hosts([...this.#trusted()]);
    return this.view();
  }

  #hint(): void {
    if (this.fleet.state.revision === 0n) return;
    const { state } = this.fleet;
    const ids = state.nodes.sorted().flatMap(({ record }) => record.enrollment?.nodeId ?? []);
    this.hosts.keepOnly(new Set(ids));
    if (this.#hostsOf(state).behind.length === 0) return;
    void this.told.hosts([...this.#trusted()]);
  }
}

const PAST: Readonly<Record<Step, string>> = {
  switch: 'switched',
  finish: 'finished',
  abort: 'aborted',
};

function behindError(step: Step, left: readonly string[]): ProblemError {
  const names = left.slice(0, 10).join(', ');
  const more = left.length > 10 ? ` and ${left.length - 10} more` : '';
  return conflict(
    'step',
    step,
    `would cut off hosts that have not said yet that they trust what is trusted now: ${names}${more}`,
    `wait for them by \`hostward ca ${step} --wait\` (they ask within ten minutes), revoke those that are gone, or leave them behind by --leave-behind: they must be enrolled anew`,
  );
}
