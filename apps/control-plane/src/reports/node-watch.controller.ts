import { Controller, Get, Query, Res, type OnModuleDestroy } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags, PickType } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { actor, currentCaller } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import type { Item } from '../store/record-index.js';
import { Metrics } from '../health/metrics.js';
import { EventStreams } from '../http/event-streams.js';
import { ListQuery, selectorOf, wantedBy } from '../http/list.query.js';
import { readNamePattern } from '../http/name-pattern.js';
import { NodeNews } from './node-news.js';
import { NodeStream, type NodeStreamParts } from './node-stream.js';
import type { NodeRecord } from '../records/node.record.js';
import { NodeViews } from './node.view.js';

/** Query of `GET /watch/nodes`. */
export class NodeWatchQuery extends PickType(ListQuery, ['selector', 'name']) {}

/** Hosts as they change. */
@ApiTags('nodes')
@Controller('v1/watch/nodes')
export class NodeWatchController implements OnModuleDestroy {
  readonly #streams: EventStreams;

  constructor(
    private readonly fleet: Fleet,
    private readonly views: NodeViews,
    private readonly news: NodeNews,
    metrics: Metrics,
  ) {
    this.#streams = new EventStreams((open) => metrics.nodeStreams.set(open));
  }

  onModuleDestroy(): void {
    this.#streams.end();
  }

  @Get()
  @Needs('fleet:read')
  @ApiProduces('text/event-stream')
  @ApiOperation({
    summary:
      'All hosts, then each that changes: events node and gone; synced after each batch. Who comes back gets all again',
  })
  async watch(@Query() query: NodeWatchQuery, @Res() reply: FastifyReply): Promise<void> {
    // Refused before the answer begins: a selector or name that is none, a fleet that is not known yet.
    const isWanted = nodesOf(query);
    this.fleet.read();
    await this.#streams.serve(reply, actor(), async (stream) => {
      const marks = this.news.follow();
      try {
        await new NodeStream(stream, {
          read: () => this.fleet.read(),
          isWanted,
          view: (stored, state) => this.views.view(stored, state),
          marks,
          stillCounts: () => currentCaller()?.stillCounts() === true,
        }).follow();
      } finally {
        marks.close();
      }
    });
  }
}

function nodesOf(query: NodeWatchQuery): NodeStreamParts['isWanted'] {
  const { matches } = readNamePattern(query.name);
  const isSelected = wantedBy(selectorOf(query), ({ record }: Item<NodeRecord>) => record.labels);
  return (item) => matches(item.name) && isSelected(item);
}
