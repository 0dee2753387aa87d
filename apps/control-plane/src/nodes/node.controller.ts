import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { IsObject, ValidateIf } from 'class-validator';
import type { FastifyReply } from 'fastify';
import type { ExplanationView, NodeView, Page, PolicyView } from '#contracts';
import { explainSelection } from '#policy-model';
import { actor } from '../auth/caller.js';
import { Needs, NeedsToRead, NeedsToWrite } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import { NamePipe, PageQuery, etagOf, pageOf, parseIfMatch } from '../http/index.js';
import { UnreadableQuery, overridesUnreadable } from '../http/unreadable.query.js';
import { ListQuery } from '../http/list.query.js';
import { NameField } from '../http/name-field.js';
import { TextField } from '../http/text-field.js';
import { findPolicy, policyView } from '../policies/policy.view.js';
import { explanationView } from './explanation.view.js';
import { nodePage } from '../reports/node-page.js';
import { NodeService } from './node.service.js';
import { NodeViews } from '../reports/node.view.js';
import { findNode } from '../store/find-node.js';

/** Body of `PATCH /nodes/{name}/labels`: a string sets a label, null removes it. */
export class LabelsBody {
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string', nullable: true } })
  @IsObject()
  labels: Record<string, unknown>;
}

/** Body of `POST /nodes/{name}/revoke`. */
export class RevokeBody {
  @ApiPropertyOptional({ description: 'kept in the audit log, and told to the host' })
  @ValidateIf((_, value) => value !== undefined)
  @TextField(500)
  reason?: string;
}

/** Query of `GET /nodes/{name}/explain`. */
export class ExplainQuery {
  @ApiProperty()
  @NameField()
  policy: string;
}

/** Hosts by name. */
@ApiTags('nodes')
@Controller('v1/nodes')
export class NodeController {
  constructor(
    private readonly fleet: Fleet,
    private readonly nodes: NodeService,
    private readonly views: NodeViews,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'List hosts, by name' })
  list(@Query() query: ListQuery): Page<NodeView> {
    const state = this.fleet.read();
    return nodePage(state, query, (stored) => this.views.view(stored, state));
  }

  @Get(':name')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'A host' })
  get(
    @Param('name', NamePipe) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): NodeView {
    return this.#answer(name, reply);
  }

  @Put(':name')
  @NeedsToWrite('node', 'nodes:write')
  @ApiConsumes('application/yaml', 'application/json')
  @ApiBody({ schema: { type: 'object' }, description: 'one KubeArmorVirtualMachine of this name' })
  @ApiOperation({ summary: 'Declare a host or replace its labels' })
  async put(
    @Param('name', NamePipe) name: string,
    @Body() body: string,
    @Headers('content-type') contentType: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    const created = await this.nodes.put(write, body, contentType);
    void reply.code(created ? 201 : 200);
    return this.#answer(name, reply);
  }

  @Delete(':name')
  @NeedsToWrite('node', 'nodes:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Offboard the host of exactly this name; its identity is revoked' })
  async delete(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() query: UnreadableQuery,
  ): Promise<void> {
    const overrideUnreadable = overridesUnreadable(query);
    const write = { name, by: actor(), expected: parseIfMatch(ifMatch) };
    await this.nodes.delete(write, { overrideUnreadable });
  }

  @Patch(':name/labels')
  @NeedsToWrite('node', 'nodes:write')
  @ApiOperation({ summary: 'Set and remove labels; its policies follow at once' })
  async label(
    @Param('name', NamePipe) name: string,
    @Body() body: LabelsBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await this.nodes.label({ name, by: actor(), expected: parseIfMatch(ifMatch) }, body.labels);
    return this.#answer(name, reply);
  }

  @Get(':name/policies')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'Policies that select the host, by name; paused ones too' })
  policies(@Param('name', NamePipe) name: string, @Query() query: PageQuery): Page<PolicyView> {
    const state = this.fleet.read();
    findNode(state, name);
    const selecting = [...state.index.policiesOf(name)].sort().map((policy) => ({ name: policy }));
    return pageOf(selecting, query, state.revision.toString(), (each) =>
      policyView(findPolicy(state, each.name), state),
    );
  }

  @Get(':name/explain')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'Each label test of a policy against the host' })
  explain(@Param('name', NamePipe) name: string, @Query() query: ExplainQuery): ExplanationView {
    const state = this.fleet.read();
    const { record } = findNode(state, name);
    const policy = findPolicy(state, query.policy).record.document;
    const selector = policy?.spec.nodeSelector ?? {};
    return explanationView(explainSelection(selector, record, state.groupSelectors()));
  }

  @Post(':name/revoke')
  @NeedsToWrite('node', 'nodes:write')
  @HttpCode(200)
  @ApiOperation({
    summary:
      'End the identity of a host: its sessions, its user on Redis, its certificate, for good',
  })
  async revoke(
    @Param('name', NamePipe) name: string,
    @Body() { reason }: RevokeBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await this.nodes.revoke({ name, by: actor(), expected: parseIfMatch(ifMatch) }, reason);
    return this.#answer(name, reply);
  }

  @Post(':name/reinstate')
  @NeedsToWrite('node', 'nodes:write')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Let a host into Redis again that was cut off for harming others there',
  })
  async reinstate(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await this.nodes.reinstate({ name, by: actor(), expected: parseIfMatch(ifMatch) });
    return this.#answer(name, reply);
  }

  #answer(name: string, reply: FastifyReply): NodeView {
    const view = this.views.of(name);
    void reply.header('etag', etagOf(view.revision));
    return view;
  }
}
