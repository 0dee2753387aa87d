import { Controller, Get, Query, Res, type OnModuleDestroy } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { selectsNode } from '#policy-model';
import { currentCaller } from '../access/caller.js';
import { Needs } from '../access/index.js';
import { Fleet } from '../fleet/fleet.js';
import { Metrics } from '../health/metrics.js';
import { EventStreams } from '../http/event-streams.js';
import { readSelector } from '../http/read-selector.js';
import { NodeNews } from './node-news.js';
import { NodeStream, type NodeStreamParts } from './node-stream.js';
import { NodeViews } from './node.view.js';

/** Query of `GET /watch/nodes`. */
export class NodeWatchQuery {
  @ApiPropertyOptional({ description: 'label selector' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;
}

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
    // Refused before the answer begins: a selector that is none, a fleet that is not known yet.
    const isWanted = wantedBy(query.selector);
    this.fleet.read();
    await this.#streams.serve(reply, async (stream) => {
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

function wantedBy(text: string | undefined): NodeStreamParts['isWanted'] {
  if (text === undefined) return () => true;
  const selector = readSelector(text, 'selector');
  return (name, { labels }) => selectsNode(selector, { name, labels }, new Map());
}
