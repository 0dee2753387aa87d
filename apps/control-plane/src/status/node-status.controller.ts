import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { NodeStatus, Page } from '#contracts';
import { Needs } from '../access/index.js';
import { Fleet } from '../fleet/fleet.js';
import { ListQuery } from '../http/list.query.js';
import { nodePage } from '../nodes/node-page.js';
import { StatusReader } from './status-reader.js';

/** What hosts really do, many at a time: for those who keep it or hand it on. */
@ApiTags('nodes')
@Controller('v1/node-statuses')
export class NodeStatusController {
  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'The status of hosts, each as GET /nodes/{name}/status, by name' })
  list(@Query() query: ListQuery): Page<NodeStatus> {
    return nodePage(this.fleet.read(), query, ({ name }) => this.status.node(name));
  }
}
