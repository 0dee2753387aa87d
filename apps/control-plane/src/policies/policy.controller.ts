import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import type { FastifyReply } from 'fastify';
import type { Page, PolicyVersion, PolicyView } from '#contracts';
import { actor, currentCaller } from '../auth/caller.js';
import { Needs, NeedsToRead, NeedsToWrite } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import type { Item } from '../store/record-index.js';
import { ListQuery, selectorOf, wantedBy } from '../http/list.query.js';
import { NamePipe, PageQuery, etagOf, pageOf, parseIfMatch } from '../http/index.js';
import { UnreadableQuery, overridesUnreadable } from '../http/unreadable.query.js';
import { versionsWithin } from './policy-history.js';
import { PolicyPut } from './policy-put.js';
import { PolicyService } from './policy.service.js';
import type { PolicyRecord } from '../records/policy.record.js';
import { findPolicy, policyView, versionView } from './policy.view.js';

/** Body of `POST /policies/{name}/rollback`. */
export class RollbackBody {
  @ApiPropertyOptional({
    minimum: 1,
    description: 'a version of the history; by default the one before',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  version?: number;
}

/** Policies by name. */
@ApiTags('policies')
@Controller('v1/policies')
export class PolicyController {
  constructor(
    private readonly fleet: Fleet,
    private readonly policies: PolicyService,
    private readonly put_: PolicyPut,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'List policies, by name' })
  list(@Query() query: ListQuery): Page<PolicyView> {
    const state = this.fleet.read();
    const isWanted = wantedBy(
      selectorOf(query),
      ({ record }: Item<PolicyRecord>) => record.document?.metadata.labels ?? {},
    );
    return pageOf(
      state.policies.sorted(),
      query,
      state.revision.toString(),
      (stored) => policyView(stored, state),
      isWanted,
    );
  }

  @Get(':name')
  @NeedsToRead('policy')
  @ApiOperation({ summary: 'A policy; its ETag goes into If-Match' })
  get(
    @Param('name', NamePipe) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): PolicyView {
    const state = this.fleet.read();
    const view = policyView(findPolicy(state, name), state);
    void reply.header('etag', etagOf(view.revision));
    return view;
  }

  @Put(':name')
  @NeedsToWrite('policy', 'policies:write')
  @ApiConsumes('application/yaml', 'application/json')
  @ApiBody({ schema: { type: 'object' }, description: 'one KubeArmorHostPolicy of this name' })
  @ApiOperation({ summary: 'Create or change a policy' })
  async put(
    @Param('name', NamePipe) name: string,
    @Body() body: string,
    @Headers('content-type') contentType: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PolicyView> {
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    const { created, view } = await this.put_.put(write, body, contentType);
    void reply.code(created ? 201 : 200).header('etag', etagOf(view.revision));
    return view;
  }

  @Delete(':name')
  @NeedsToWrite('policy', 'policies:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a policy; its hosts are freed at once' })
  async delete(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() query: UnreadableQuery,
  ): Promise<void> {
    const overrideUnreadable = overridesUnreadable(query);
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    await this.policies.delete(write, { overrideUnreadable });
  }

  @Get(':name/history')
  @NeedsToRead('policy')
  @ApiOperation({ summary: 'Versions, newest first' })
  async history(
    @Param('name', NamePipe) name: string,
    @Query() query: PageQuery,
  ): Promise<Page<PolicyVersion>> {
    const versions = versionsWithin(currentCaller()?.scope, await this.policies.versions(name));
    // Named so that the newest sorts first: pages stay right while versions are added.
    const items = versions.map((stored) => ({
      stored,
      name: String(1e15 - stored.record.version),
    }));
    const revision = this.fleet.read().revision.toString();
    return pageOf(items, query, revision, ({ stored }) => versionView(stored));
  }

  @Post(':name/rollback')
  @NeedsToWrite('policy', 'policies:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make an earlier version the newest' })
  rollback(
    @Param('name', NamePipe) name: string,
    @Body() body: RollbackBody,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<PolicyView> {
    return this.policies.rollback(
      { name, by: actor(), expected: parseIfMatch(ifMatch) },
      body.version,
    );
  }

  @Post(':name/pause')
  @NeedsToWrite('policy', 'policies:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a policy off its hosts and keep it' })
  pause(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<PolicyView> {
    return this.policies.pause({ name, by: actor(), expected: parseIfMatch(ifMatch) }, true);
  }

  @Post(':name/resume')
  @NeedsToWrite('policy', 'policies:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Enforce a paused policy again' })
  resume(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<PolicyView> {
    return this.policies.pause({ name, by: actor(), expected: parseIfMatch(ifMatch) }, false);
  }
}
