import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AUTHORED_KINDS, limits, type AuthoredKind } from '#bundle';
import type { ApplyResponse } from '#contracts';
import { currentCaller } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError } from '../http/index.js';
import { signedDocumentIn } from '../http/signed-document.js';
import { AuthoredIndex } from './authored-index.js';
import { RootService, type TrustView } from './root.service.js';
import { SignedApplyService } from './signed-apply.service.js';

/** Newest version by kind and name; of labels by node id. */
type Versions = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Whom hosts believe, and what they believe by signature only. */
@ApiTags('trust')
@Controller('v1')
export class TrustController {
  constructor(
    private readonly roots: RootService,
    private readonly signed: SignedApplyService,
    private readonly authored: AuthoredIndex,
    private readonly fleet: Fleet,
  ) {}

  @Get('roots')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Root documents, signed, oldest first, and what is in force' })
  show(): TrustView {
    return this.roots.view();
  }

  @Post('roots')
  @Needs('people:write')
  @HttpCode(200)
  @ApiConsumes('application/json')
  @ApiBody({ schema: { type: 'object' }, description: 'the next root document, signed (DSSE)' })
  @ApiOperation({ summary: 'Put the next root document in force' })
  publish(@Body() text: string): Promise<TrustView> {
    return this.roots.publish(signedDocumentIn(text));
  }

  @Get('signed-documents')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Newest signed version by kind and name' })
  versions(): Versions {
    const seen = currentCaller()?.scope && this.fleet.read();
    return Object.fromEntries(
      AUTHORED_KINDS.map((kind) => [
        kind,
        Object.fromEntries(
          this.authored
            .heads(kind)
            .filter(({ name }) => !seen || shows(seen, kind, name))
            .map(({ name, authored }) => [name, authored.document.version]),
        ),
      ]),
    );
  }

  @Post('signed-documents')
  @Needs('policies:write', 'nodes:write', 'suspensions:write')
  @HttpCode(200)
  @ApiConsumes('application/json')
  @ApiBody({ schema: { type: 'object' }, description: '{"v":1,"signed":[DSSE, …]}' })
  @ApiOperation({ summary: 'Take documents that authors signed, all or nothing (authored mode)' })
  apply(@Body() text: string): Promise<ApplyResponse> {
    const body = signedDocumentIn(text);
    const signed =
      typeof body === 'object' && body !== null && 'signed' in body ? body.signed : undefined;
    if (!Array.isArray(signed) || signed.length === 0 || signed.length > limits.policiesPerBundle) {
      throw new ProblemError('invalid-input', {
        detail: `the body must be {"v":1,"signed":[…]} with 1 to ${limits.policiesPerBundle} documents`,
      });
    }
    return this.signed.apply(signed as readonly unknown[]);
  }
}

/** Whether a scope shows what a document is of. */
function shows(seen: FleetState, kind: AuthoredKind, name: string): boolean {
  if (kind === 'labels') return seen.nameOf(name) !== undefined;
  return (kind === 'policy' ? seen.policies : seen.groups).get(name) !== undefined;
}
