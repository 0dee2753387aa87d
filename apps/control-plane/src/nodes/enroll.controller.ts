import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsIn,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import type { FastifyRequest } from 'fastify';
import {
  ATTESTATIONS,
  type Attestation,
  type AttestationKind,
  type EnrollRequest,
  type EnrollResponse,
} from '#contracts';
import { Public } from '../auth/public.decorator.js';
import { RateLimit } from '../http/rate-limit.js';
import { ConcurrencyLimiter } from '../http/concurrency-limiter.js';
import { Clock } from '../http/clock.js';
import { Metrics } from '../health/metrics.js';
import { ProblemError, ServedFromMemory, toProblemError } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { TextField } from '../http/text-field.js';
import { EnrollService } from './enroll.service.js';
import { peerOf, sourceOf } from './network.js';

/** Requests in work: as many as are done within a second or two. */
const AT_ONCE = 100;
const RAW_KEY = /^[A-Za-z0-9+/]{43}=$/;

/** A proof of which machine this is. */
export class AttestationBody implements Attestation {
  @ApiProperty({ enum: ATTESTATIONS })
  @IsIn(ATTESTATIONS)
  kind: AttestationKind;

  @ApiProperty()
  @IsString()
  @Length(1, 4_096)
  proof: string;
}

/** Body of `POST /enroll`. */
export class EnrollBody implements EnrollRequest {
  @ApiProperty()
  @IsString()
  @MaxLength(256)
  token: string;

  @ApiProperty()
  @NameField()
  name: string;

  @ApiProperty()
  @TextField(253)
  hostname: string;

  @ApiProperty({ description: 'Ed25519, base64 of 32 bytes' })
  @Matches(RAW_KEY)
  signingKey: string;

  @ApiProperty({ description: 'X25519, base64 of 32 bytes' })
  @Matches(RAW_KEY)
  sealingKey: string;

  @ApiProperty({ description: 'sha256 of the secret for Redis, hex; the host keeps the secret' })
  @Matches(/^[0-9a-f]{64}$/)
  redisSecretHash: string;

  @ApiProperty({ description: 'base64 of 64 bytes' })
  @Matches(/^[A-Za-z0-9+/]{86}==$/)
  signature: string;

  @ApiProperty({ description: 'PKCS#10 in PEM' })
  @IsString()
  @MaxLength(8_192)
  csr: string;

  @ApiPropertyOptional({ type: AttestationBody })
  @IsOptional()
  @ValidateNested()
  @Type(() => AttestationBody)
  attestation?: AttestationBody;
}

/** Where hosts come in. */
@ApiTags('enroll')
@Controller('v1/enroll')
export class EnrollController {
  /** A network of hosts behind one address may enrol fifty a second; a guesser gains nothing by it. */
  readonly #limit = new RateLimit({ burst: 200, refillMs: 20, maxCallers: 10_000 });

  /** A whole fleet may come at once, to enrol or to renew: so many are served, others come again. */
  readonly #limiter = new ConcurrencyLimiter(AT_ONCE);

  constructor(
    private readonly enrolling: EnrollService,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  @Post()
  @HttpCode(200)
  @Public('the join token is the credential')
  @ServedFromMemory()
  @ApiOperation({ summary: 'Enrol a host, or give an enrolled one a new certificate' })
  async enroll(@Body() body: EnrollBody, @Req() request: FastifyRequest): Promise<EnrollResponse> {
    const peer = peerOf(request.ip);
    const waitMs = this.#limit.take(sourceOf(peer), this.clock.nowMs());
    if (waitMs > 0) {
      const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) };
      throw new ProblemError('too-many-requests', { headers });
    }
    try {
      const answer = await this.#limiter.run(() => this.enrolling.enroll(body, peer));
      this.metrics.enrollments.inc({ outcome: 'admitted' });
      return answer;
    } catch (error) {
      this.metrics.enrollments.inc({ outcome: toProblemError(error).kind });
      throw error;
    }
  }
}
