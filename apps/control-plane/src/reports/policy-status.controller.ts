import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { NodePolicyStatus, Page, PolicyRemains, PolicyStatus } from '#contracts';
import { Needs, NeedsToRead } from '../auth/needs.decorator.js';
import { NamePipe } from '../http/index.js';
import { PolicyNodesQuery } from './policy-nodes.query.js';
import { StatusReader } from './status-reader.js';

/** The status of one policy over its hosts. */
@ApiTags('policies')
@Controller('v1/policies')
export class PolicyStatusController {
  constructor(private readonly reader: StatusReader) {}

  @Get(':name/status')
  @NeedsToRead('policy')
  @ApiOperation({
    summary:
      'How the policy stands: hosts counted by state and reason; at most 100 of them, stragglers first',
  })
  status(@Param('name', NamePipe) name: string): PolicyStatus {
    return this.reader.policy(name);
  }

  @Get(':name/nodes')
  @NeedsToRead('policy')
  @ApiOperation({ summary: 'How the policy stands on each host it selects, by name' })
  nodes(
    @Param('name', NamePipe) name: string,
    @Query() query: PolicyNodesQuery,
  ): Page<NodePolicyStatus> {
    return this.reader.policyNodes(name, query);
  }

  @Get(':name/remains')
  @Needs('fleet:read')
  @ApiOperation({
    summary:
      'Hosts that may still enforce the policy though it was deleted, is paused or does not select them',
  })
  remains(@Param('name', NamePipe) name: string): PolicyRemains {
    return this.reader.remains(name);
  }
}
