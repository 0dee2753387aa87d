import { Body, Controller, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import type { FleetProofAnswer, FleetProofRequest, RedirectOffer, RedirectView } from '#contracts';
import { Needs } from '../auth/needs.decorator.js';
import { Public } from '../auth/public.decorator.js';
import { RateLimit } from '../http/rate-limit.js';
import { Authorities } from '../certificates/authorities.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { NamePipe, ProblemError, ServedFromMemory } from '../http/index.js';
import { signedDocumentIn } from '../http/signed-document.js';
import { callingHost } from '../certificates/host-certificate.js';
import { peerOf, sourceOf } from '../nodes/network.js';
import { RedirectService } from './redirect.service.js';

/** Body of `POST /redirects/proof`. */
export class FleetProofBody implements FleetProofRequest {
  @ApiProperty({ description: 'hex' })
  @Matches(/^[0-9a-f]{64}$/)
  nodeId: string;

  @ApiProperty({ description: '32 random bytes, hex' })
  @Matches(/^[0-9a-f]{64}$/)
  challenge: string;
}

/** Orders to hosts to go to another control plane, and how one proves to them that it is of their fleet. */
@ApiTags('redirects')
@Controller('v1/redirects')
export class RedirectController {
  /** A host asks once in ten minutes, and when it is told that there is something. */
  readonly #askers = new RateLimit({ burst: 10, refillMs: 5_000, maxCallers: 20_000 });
  /** A whole network of hosts may come from behind one address. */
  readonly #comers = new RateLimit({ burst: 200, refillMs: 20, maxCallers: 10_000 });

  constructor(
    private readonly redirects: RedirectService,
    private readonly fleet: Fleet,
    private readonly authorities: Authorities,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Redirects, newest first' })
  list(): { readonly items: readonly RedirectView[] } {
    return { items: this.redirects.list() };
  }

  @Get('offered')
  @Public('the certificate of a host is the credential')
  @ApiOperation({ summary: 'A host hears whether it is to go to another control plane' })
  offered(@Req() request: FastifyRequest): RedirectOffer {
    const nodeId = callingHost(request, this.fleet, this.authorities);
    this.#take(this.#askers, nodeId);
    return this.redirects.offerTo(nodeId);
  }

  @Get(':id')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'A redirect, and what became of it on each host' })
  show(@Param('id', NamePipe) id: string): RedirectView {
    return this.redirects.show(id);
  }

  @Post()
  @Needs('people:write')
  @HttpCode(200)
  @ApiConsumes('application/json')
  @ApiBody({ schema: { type: 'object' }, description: 'the redirect, signed by root keys (DSSE)' })
  @ApiOperation({ summary: 'Have hosts go to another control plane, or stay after all' })
  publish(@Body() text: string): Promise<RedirectView> {
    return this.redirects.publish(signedDocumentIn(text));
  }

  @Post('proof')
  @HttpCode(200)
  @Public('it says no more than that this is a control plane of the fleet')
  @ServedFromMemory()
  @ApiOperation({
    summary: 'Prove to a host that comes here that this is a control plane of its fleet',
  })
  prove(@Body() body: FleetProofBody, @Req() request: FastifyRequest): FleetProofAnswer {
    this.#take(this.#comers, sourceOf(peerOf(request.ip)));
    return this.redirects.prove(body);
  }

  #take(limit: RateLimit, caller: string): void {
    const waitMs = limit.take(caller, this.clock.nowMs());
    if (waitMs <= 0) return;
    const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) };
    throw new ProblemError('too-many-requests', { headers });
  }
}
