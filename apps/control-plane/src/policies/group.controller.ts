import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { GroupView, Page } from '#contracts';
import { actor } from '../auth/caller.js';
import { Needs, NeedsToRead, NeedsToWrite } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import type { Item } from '../store/record-index.js';
import { NamePipe, PageQuery, etagOf, pageOf, parseIfMatch } from '../http/index.js';
import { UnreadableQuery, overridesUnreadable } from '../http/unreadable.query.js';
import { ListQuery, selectorOf, wantedBy } from '../http/list.query.js';
import type { GroupRecord } from '../records/group.record.js';
import { GroupService } from './group.service.js';
import { findGroup, groupView } from './group.view.js';

/** Groups by name. */
@ApiTags('groups')
@Controller('v1/groups')
export class GroupController {
  constructor(
    private readonly fleet: Fleet,
    private readonly groups: GroupService,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'List groups, by name' })
  list(@Query() query: ListQuery): Page<GroupView> {
    const state = this.fleet.read();
    const isWanted = wantedBy(
      selectorOf(query),
      ({ record }: Item<GroupRecord>) => record.document.metadata.labels ?? {},
    );
    return pageOf(
      state.groups.sorted(),
      query,
      state.revision.toString(),
      (stored) => groupView(stored, state),
      isWanted,
    );
  }

  @Get(':name')
  @NeedsToRead('group')
  @ApiOperation({ summary: 'A group' })
  get(
    @Param('name', NamePipe) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): GroupView {
    const view = this.groups.view(name);
    void reply.header('etag', etagOf(view.revision));
    return view;
  }

  @Put(':name')
  @NeedsToWrite('group', 'policies:write')
  @ApiConsumes('application/yaml', 'application/json')
  @ApiBody({ schema: { type: 'object' }, description: 'one Group of this name' })
  @ApiOperation({ summary: 'Create or change a group' })
  async put(
    @Param('name', NamePipe) name: string,
    @Body() body: string,
    @Headers('content-type') contentType: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<GroupView> {
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    const { created, view } = await this.groups.put(write, body, contentType);
    void reply.code(created ? 201 : 200).header('etag', etagOf(view.revision));
    return view;
  }

  @Delete(':name')
  @NeedsToWrite('group', 'policies:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a group' })
  async delete(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() query: UnreadableQuery,
  ): Promise<void> {
    const overrideUnreadable = overridesUnreadable(query);
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    await this.groups.delete(write, { overrideUnreadable });
  }

  @Get(':name/members')
  @NeedsToRead('group')
  @ApiOperation({ summary: 'Names of the hosts in a group' })
  members(@Param('name', NamePipe) name: string, @Query() query: PageQuery): Page<string> {
    const state = this.fleet.read();
    findGroup(state, name);
    const members = [...state.index.membersOf(name)].sort().map((member) => ({ name: member }));
    return pageOf(members, query, state.revision.toString(), (member) => member.name);
  }
}
