import { Body, Controller, Headers, HttpCode, Post, Query } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { ApplyResponse } from '#contracts';
import { actor } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { invalidField } from '../http/index.js';
import { formatOf } from '../http/media-type.js';
import { ApplyQuery, defaultSelector } from './apply.query.js';
import { ApplyService } from './apply.service.js';

/** Sets of documents of any kind. */
@ApiTags('apply')
@Controller('v1/apply')
export class ApplyController {
  constructor(private readonly applying: ApplyService) {}

  @Post()
  @Needs('policies:write', 'nodes:write')
  @HttpCode(200)
  @ApiConsumes('application/yaml', 'application/json')
  @ApiBody({
    schema: { type: 'string' },
    description: 'KubeArmor host policies, virtual machines and groups',
  })
  @ApiOperation({ summary: 'Create or change what the documents say, all or nothing' })
  apply(
    @Body() text: string,
    @Query() query: ApplyQuery,
    @Headers('content-type') contentType: string | undefined,
  ): Promise<ApplyResponse> {
    const { owner } = query;
    const prune = query.prune === 'true';
    if (prune && owner === undefined) {
      throw invalidField(
        'owner',
        undefined,
        'is missing',
        'say whose set this is: ?prune=true&owner=NAME',
      );
    }
    return this.applying.apply({
      text,
      format: formatOf(contentType),
      by: actor(),
      dryRun: query.dryRun === 'true',
      prune,
      owner,
      overrideProtection: query.overrideProtection === 'true',
      overrideUnreadable: query.overrideUnreadable === 'true',
      defaultSelector: defaultSelector(query),
    });
  }
}
