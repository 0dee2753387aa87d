import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { NodeStatus, Page } from '#contracts';
import { Needs, NeedsToRead } from '../auth/needs.decorator.js';
import { NamePipe } from '../http/index.js';
import { Fleet } from '../store/fleet.js';
import { ListQuery } from '../http/list.query.js';
import { nodePage } from './node-page.js';
import { StatusReader } from './status-reader.js';

/** What hosts really enforce: of one, or page by page. */
@ApiTags('nodes')
@Controller('v1')
export class NodeStatusController {
  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
  ) {}

  @Get('node-statuses')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'The status of hosts, each as GET /nodes/{name}/status, by name' })
  list(@Query() query: ListQuery): Page<NodeStatus> {
    return nodePage(this.fleet.read(), query, ({ name }) => this.status.node(name));
  }

  @Get('nodes/:name/status')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'What the host really does' })
  one(@Param('name', NamePipe) name: string): NodeStatus {
    return this.status.node(name);
  }
}
