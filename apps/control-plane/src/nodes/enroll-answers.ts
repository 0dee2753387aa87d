import { Injectable } from '@nestjs/common';
import type { EnrollRequest, EnrollResponse } from '#contracts';
import { CertificateRefusedError, checkCsr, issueClient } from '#pki';
import { nodeUserName } from '#redis';
import { Authorities } from '../certificates/authorities.js';
import { Clock } from '../http/clock.js';
import { AgentEndpoints } from '../config/agent-endpoints.js';
import { Trust } from '../config/trust.js';
import { Metrics } from '../health/metrics.js';
import { invalidField } from '../http/index.js';

/** What a host gets that was let in: its certificate, and all that it needs to go on from there. */
@Injectable()
export class EnrollAnswers {
  constructor(
    private readonly trust: Trust,
    private readonly authorities: Authorities,
    private readonly endpoints: AgentEndpoints,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  /** Throws 400 for a request of which no certificate can be made; makes none. */
  async check({ csr }: EnrollRequest): Promise<void> {
    try {
      await checkCsr(csr);
    } catch (error) {
      if (!(error instanceof CertificateRefusedError)) throw error;
      const remedy = 'send a PKCS#10 request of a P-256 key in PEM';
      throw invalidField('csr', undefined, error.message, remedy);
    }
  }

  /** Makes the certificate of a host that was let in. */
  async of({ csr, name }: EnrollRequest, nodeId: string): Promise<EnrollResponse> {
    const { issuing: authority, trustedPem } = this.authorities;
    const now = new Date(this.clock.nowMs());
    const certificate = await issueClient({ authority, csrPem: csr, nodeId, now });
    this.metrics.hostCertificates.inc();
    return {
      nodeId,
      name,
      certificate,
      ca: trustedPem,
      redis: { ...this.endpoints.of(nodeId), username: nodeUserName(nodeId) },
      root: this.trust.root.signed,
    };
  }
}
