import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
} from 'class-validator';
import type { FastifyRequest } from 'fastify';
import type {
  AuthoritiesView,
  NextAuthority,
  TrustedByControlPlane,
  TrustedByHost,
} from '#contracts';
import { Needs } from '../auth/needs.decorator.js';
import { Public } from '../auth/public.decorator.js';
import { RateLimit } from '../http/rate-limit.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { ProblemError, ServedFromMemory } from '../http/index.js';
import { callingHost } from './host-certificate.js';
import { Authorities } from './authorities.js';
import { AuthoritiesService } from './authorities.service.js';

const MAX_PEM_CHARS = 32_768;

/** Body of `POST /authorities/begin`. */
export class NextAuthorityBody implements NextAuthority {
  @ApiPropertyOptional({ description: 'PEM of an own root; without it, one is made' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_PEM_CHARS)
  certificate?: string;

  @ApiPropertyOptional({ description: 'PEM of its key', writeOnly: true })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_PEM_CHARS)
  privateKey?: string;
}

/** Body of the steps that may cut hosts off. */
export class AuthorityStepBody {
  @ApiPropertyOptional({ description: 'also where hosts have not followed', default: false })
  @IsOptional()
  @IsBoolean()
  leaveBehind: boolean = false;
}

/** Body of `POST /authorities/trusted`. */
export class TrustedBody implements TrustedByHost {
  @ApiProperty({ type: [String], description: 'sha256 of the DER of each, hex' })
  @IsArray()
  @ArrayMaxSize(8)
  @Matches(/^[0-9a-f]{64}$/, { each: true })
  trusted: string[];
}

/** The authority whose certificates everybody believes, and its replacement. */
@ApiTags('authorities')
@Controller('v1/authorities')
export class AuthoritiesController {
  /** A host asks once in ten minutes, and when it is told that there is something. */
  readonly #limit = new RateLimit({ burst: 10, refillMs: 5_000, maxCallers: 20_000 });

  constructor(
    private readonly service: AuthoritiesService,
    private readonly fleet: Fleet,
    private readonly authorities: Authorities,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Trusted authorities, and the hosts that follow' })
  show(): AuthoritiesView {
    return this.service.view();
  }

  @Post('begin')
  @HttpCode(200)
  @Needs('people:write')
  @ApiOperation({ summary: 'Begin to replace the CA: the next one is trusted too' })
  begin(@Body() body: NextAuthorityBody): Promise<AuthoritiesView> {
    return this.service.begin(body);
  }

  @Post('switch')
  @HttpCode(200)
  @Needs('people:write')
  @ApiOperation({ summary: 'The next CA signs from now on' })
  switch(@Body() { leaveBehind }: AuthorityStepBody): Promise<AuthoritiesView> {
    return this.service.step('switch', leaveBehind);
  }

  @Post('finish')
  @HttpCode(200)
  @Needs('people:write')
  @ApiOperation({ summary: 'The CA before is not trusted any more' })
  finish(@Body() { leaveBehind }: AuthorityStepBody): Promise<AuthoritiesView> {
    return this.service.step('finish', leaveBehind);
  }

  @Post('abort')
  @HttpCode(200)
  @Needs('people:write')
  @ApiOperation({ summary: 'Take a replacement back that has only begun' })
  abort(): Promise<AuthoritiesView> {
    return this.service.step('abort', true);
  }

  @Post('trusted')
  @HttpCode(200)
  @Public('the certificate of a host is the credential')
  @ServedFromMemory()
  @ApiOperation({ summary: 'A host says which CAs it trusts, and hears which it is to' })
  trusted(@Body() { trusted }: TrustedBody, @Req() request: FastifyRequest): TrustedByControlPlane {
    return this.service.exchange(this.#host(request), trusted);
  }

  #host(request: FastifyRequest): string {
    const nodeId = callingHost(request, this.fleet, this.authorities);
    const waitMs = this.#limit.take(nodeId, this.clock.nowMs());
    if (waitMs <= 0) return nodeId;
    const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) };
    throw new ProblemError('too-many-requests', { headers });
  }
}
