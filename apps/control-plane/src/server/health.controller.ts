import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Needs } from '../auth/needs.decorator.js';
import { Public } from '../auth/public.decorator.js';
import { Metrics } from '../health/metrics.js';
import { readiness, type Check } from '../health/readiness.js';
import { VitalSigns } from '../health/vital-signs.js';

/** For supervisors, load balancers and Prometheus. */
@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    private readonly vitals: VitalSigns,
    private readonly metrics_: Metrics,
  ) {}

  @Get('healthz')
  @Public('supervisors and hosts ask whether the process answers')
  @ApiOperation({ summary: 'The process answers' })
  healthz(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  @Public('load balancers ask; it tells no secret')
  @ApiOperation({ summary: 'Everything that is needed can be reached and is up to date' })
  readyz(@Res({ passthrough: true }) reply: FastifyReply): {
    readonly ready: boolean;
    readonly checks: readonly Check[];
  } {
    const answer = readiness(this.vitals.read());
    void reply.code(answer.ready ? 200 : 503);
    return answer;
  }

  @Get('metrics')
  @Needs('metrics:read')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiOperation({ summary: 'Metrics for Prometheus; needs the token' })
  metrics(): Promise<string> {
    return this.metrics_.registry.metrics();
  }
}
