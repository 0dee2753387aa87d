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
import { ApiBody, ApiConsumes, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsObject } from 'class-validator';
import type { FastifyReply } from 'fastify';
import type { ExplanationView, NodeStatus, NodeView, Page, PolicyView } from '#contracts';
import { explainSelection } from '#policy-model';
import { ADMIN } from '../access/caller.js';
import { Fleet } from '../fleet/fleet.js';
import { NamePipe, PageQuery, etagOf, pageOf, parseIfMatch } from '../http/index.js';
import { ListQuery, selectedBy } from '../http/list.query.js';
import { NameField } from '../http/name-field.js';
import { findPolicy, policyView } from '../policies/policy.view.js';
import { StatusReader } from '../status/status-reader.js';
import { explanationView } from './explanation.view.js';
import { NodeService } from './node.service.js';
import { NodeViews, findNode } from './node.view.js';

/** Body of `PATCH /nodes/{name}/labels`: a string sets a label, null removes it. */
export class LabelsBody {
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string', nullable: true } })
  @IsObject()
  labels: Record<string, unknown>;
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
    private readonly status_: StatusReader,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List hosts, by name' })
  list(@Query() query: ListQuery): Page<NodeView> {
    const state = this.fleet.read();
    const selected = selectedBy(query, state.nodes.sorted(), ({ record }) => record.labels);
    return pageOf(selected, query, state.revision.toString(), (stored) =>
      this.views.view(stored, state),
    );
  }

  @Get(':name')
  @ApiOperation({ summary: 'A host' })
  get(
    @Param('name', NamePipe) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): NodeView {
    return this.#answer(name, reply);
  }

  @Put(':name')
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
    const write = { name, by: ADMIN, expected: parseIfMatch(ifMatch) };
    const created = await this.nodes.put(write, body, contentType);
    void reply.code(created ? 201 : 200);
    return this.#answer(name, reply);
  }

  @Delete(':name')
  @HttpCode(204)
  @ApiOperation({ summary: 'Offboard the host of exactly this name' })
  async delete(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.nodes.delete({ name, by: ADMIN, expected: parseIfMatch(ifMatch) });
  }

  @Patch(':name/labels')
  @ApiOperation({ summary: 'Set and remove labels; its policies follow at once' })
  async label(
    @Param('name', NamePipe) name: string,
    @Body() body: LabelsBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await this.nodes.label({ name, by: ADMIN, expected: parseIfMatch(ifMatch) }, body.labels);
    return this.#answer(name, reply);
  }

  @Get(':name/policies')
  @ApiOperation({ summary: 'Policies that select the host, by name; paused ones too' })
  policies(@Param('name', NamePipe) name: string, @Query() query: PageQuery): Page<PolicyView> {
    const state = this.fleet.read();
    findNode(state, name);
    const selecting = [...state.index.policiesOf(name)].sort().map((policy) => ({ name: policy }));
    return pageOf(selecting, query, state.revision.toString(), (each) =>
      policyView(findPolicy(state, each.name), state),
    );
  }

  @Get(':name/status')
  @ApiOperation({ summary: 'What the host really does' })
  status(@Param('name', NamePipe) name: string): NodeStatus {
    return this.status_.node(name);
  }

  @Get(':name/explain')
  @ApiOperation({ summary: 'Each label test of a policy against the host' })
  explain(@Param('name', NamePipe) name: string, @Query() query: ExplainQuery): ExplanationView {
    const state = this.fleet.read();
    const { record } = findNode(state, name);
    const policy = findPolicy(state, query.policy).record.document;
    const selector = policy?.spec.nodeSelector ?? {};
    return explanationView(explainSelection(selector, record, state.groupSelectors()));
  }

  @Post(':name/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Believe nothing of the host any more and give it nothing' })
  async revoke(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await this.nodes.revoke({ name, by: ADMIN, expected: parseIfMatch(ifMatch) });
    return this.#answer(name, reply);
  }

  #answer(name: string, reply: FastifyReply): NodeView {
    const view = this.views.of(name);
    void reply.header('etag', etagOf(view.revision));
    return view;
  }
}
