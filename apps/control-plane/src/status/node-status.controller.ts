import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { NodeStatus, Page } from '#contracts';
import { Needs } from '../access/index.js';
import { Fleet } from '../fleet/fleet.js';
import { pageOf } from '../http/index.js';
import { ListQuery, selectedBy } from '../http/list.query.js';
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
    const state = this.fleet.read();
    const selected = selectedBy(query, state.nodes.sorted(), ({ record }) => record.labels);
    return pageOf(selected, query, state.revision.toString(), ({ name }) => this.status.node(name));
  }
}
