import { Injectable } from '@nestjs/common';
import type { DiagnosisView, Finding } from '#contracts';
import { EtcdStore } from '#etcd';
import { parseCertificate } from '#pki';
import { Authorities } from '../certificates/authorities.js';
import { OwnCertificates } from '../certificates/own-certificates.js';
import { Clock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { readiness } from '../health/readiness.js';
import { VitalSigns } from '../health/vital-signs.js';
import { redisUsersOf } from '../trust/redis-identity.js';
import { StatusReader } from '../reports/status-reader.js';
import { etcdFindings } from './etcd-findings.js';
import { hostFindings, hostVersions } from './host-findings.js';
import { diskFinding } from './machine-findings.js';
import { readinessFindings } from './readiness-findings.js';
import { redisFindings } from './redis-findings.js';
import { sentinelFinding } from './sentinel-finding.js';
import { RedisSurvey } from './redis-survey.js';
import { authorityFinding, certificateFindings, rootFinding } from './trust-findings.js';

/** Where the control plane keeps its own files. */
export class DataFolder {
  constructor(readonly path: string) {}
}

/** What is looked at of the installation's trust. */
@Injectable()
export class TrustCheck {
  constructor(
    private readonly trust: Trust,
    private readonly authorities: Authorities,
    private readonly own: OwnCertificates,
    private readonly clock: Clock,
  ) {}

  /** CA, root document and our own certificates. */
  findings(): readonly Finding[] {
    const nowMs = this.clock.nowMs();
    const { issuing, phase } = this.authorities;
    return [
      authorityFinding(parseCertificate(issuing.certificatePem).notAfter, phase, nowMs),
      rootFinding(this.trust.root.document.expiresAt, nowMs),
      ...certificateFindings(this.own.validities(), nowMs),
    ];
  }
}

/** What is looked at of the services that everything rests on. */
@Injectable()
export class ServiceCheck {
  constructor(
    private readonly etcd: EtcdStore,
    private readonly redis: RedisSurvey,
    private readonly vitals: VitalSigns,
    private readonly folder: DataFolder,
  ) {}

  /** etcd, every Redis, and the disk; `nodeIds` are the hosts that must be able to log in. Never rejects. */
  async findings(nodeIds: readonly string[], nowMs: number): Promise<readonly Finding[]> {
    const [status, survey, disk] = await Promise.all([
      this.etcd.status().catch((error: Error) => error),
      this.redis.all(),
      diskFinding(this.folder.path),
    ]);
    const { checks } = readiness(this.vitals.read());
    const redis = [
      ...redisFindings(survey, nodeIds, nowMs),
      ...this.redis.sentinels().map(sentinelFinding),
    ];
    return [...readinessFindings(checks), ...etcdFindings(status), ...redis, disk];
  }
}

/** Finds the usual faults, also while etcd or Redis is away. */
@Injectable()
export class DiagnosisService {
  constructor(
    private readonly services: ServiceCheck,
    private readonly trust: TrustCheck,
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
    private readonly clock: Clock,
  ) {}

  async diagnose(): Promise<DiagnosisView> {
    const nowMs = this.clock.nowMs();
    const state = this.fleet.state;
    const nodeIds = redisUsersOf(state, nowMs).map(({ nodeId }) => nodeId);
    const hosts = state.nodes
      .sorted()
      .flatMap(({ record }) =>
        state.believed(record) ? [this.status.evidence(state, record.name)] : [],
      );
    const findings = [
      ...(await this.services.findings(nodeIds, nowMs)),
      ...this.trust.findings(),
      ...hostFindings(hosts),
    ];
    return { findings, hostVersions: hostVersions(hosts) };
  }
}
