import { Controller, Get, Headers, Param, Query, Res, type OnModuleDestroy } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import type { FastifyReply } from 'fastify';
import type { Alert, AlertPage } from '#contracts';
import { actor } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { Metrics } from '../health/metrics.js';
import { EventStreams } from '../http/event-streams.js';
import { decodeCursor, encodeCursor, invalidField, notFound } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { AlertNews } from './alert-news.js';
import { positionText, readPosition, type AlertPosition } from './alert-position.js';
import { streamAlerts } from './alert-stream.js';
import { AlertStore, TelemetryEventStore, type AlertFilter } from './alert.store.js';

const KINDS = ['alerts', 'observed'] as const;

/** Which alerts; node and policy are exact names. */
export class AlertFilterQuery {
  @ApiPropertyOptional()
  @IsOptional()
  @NameField()
  node?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(253)
  policy?: string;

  @ApiPropertyOptional({ enum: KINDS, description: 'observed: what hosts only watched' })
  @IsOptional()
  @IsIn(KINDS)
  kind?: (typeof KINDS)[number];
}

/** Query of `GET /alerts`. */
export class AlertQuery extends AlertFilterQuery {
  @ApiPropertyOptional({ description: 'ISO 8601, by the hosts’ clocks' })
  @IsOptional()
  @Matches(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,12}(Z|[+-][0-9]{2}:[0-9]{2})$/)
  since?: string;

  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 100 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000)
  limit: number = 100;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(100)
  cursor?: string;

  @ApiPropertyOptional({ description: 'not used for alerts' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;
}

/** What was blocked. */
@ApiTags('alerts')
@Controller('v1/alerts')
export class AlertController implements OnModuleDestroy {
  readonly #streams: EventStreams;

  constructor(
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
    private readonly news: AlertNews,
    metrics: Metrics,
  ) {
    this.#streams = new EventStreams((open) => metrics.alertStreams.set(open));
  }

  onModuleDestroy(): void {
    this.#streams.end();
  }

  @Get()
  @Needs('alerts:read')
  @ApiOperation({ summary: 'Alerts, newest first; lastEventId resumes the stream after them' })
  async list(@Query() query: AlertQuery): Promise<AlertPage> {
    const store = this.#storeOf(query);
    // Before the page: whoever follows from there sees again what came meanwhile, and misses nothing.
    const lastEventId = positionText(await endOf(store));
    const found = await store.before(toFilter(query), beforeOf(query.cursor), query.limit);
    const last = found.at(-1);
    const next = last && found.length === query.limit ? encodeCursor(String(last.id)) : undefined;
    return { items: found.map(({ alert }) => alert), next, lastEventId };
  }

  @Get('stream')
  @Needs('alerts:read')
  @ApiProduces('text/event-stream')
  @ApiOperation({
    summary: 'Alerts as they come; Last-Event-ID resumes; event reset: it was of another store',
  })
  async stream(
    @Query() query: AlertFilterQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const store = this.#storeOf(query);
    const after = lastEventId === undefined ? await endOf(store) : positionOf(lastEventId);
    const filter = { node: query.node, policy: query.policy };
    const parts = { store, news: this.news, filter, after };
    await this.#streams.serve(reply, actor(), (stream) => streamAlerts(stream, parts));
  }

  @Get(':eventId')
  @Needs('alerts:read')
  @ApiOperation({ summary: 'An alert by its event id; ?node= where several hosts have one' })
  async get(@Param('eventId') eventId: string, @Query() query: AlertFilterQuery): Promise<Alert> {
    const found = await this.#storeOf(query).byEventId(eventId.slice(0, 100), query);
    if (found) return found.alert;
    throw notFound('alert', eventId.slice(0, 100));
  }

  #storeOf({ kind }: AlertFilterQuery): AlertStore {
    return kind === 'observed' ? this.telemetryEvents : this.alerts;
  }
}

function toFilter({ node, policy, since }: AlertQuery): AlertFilter {
  const sinceMs = since === undefined ? undefined : Date.parse(since);
  if (sinceMs === undefined || Number.isFinite(sinceMs)) return { node, policy, sinceMs };
  throw invalidField(
    'since',
    since,
    'is not a time',
    'send an ISO 8601 time such as 2026-01-31T12:00:00Z',
  );
}

function beforeOf(cursor: string | undefined): number | undefined {
  const text = decodeCursor(cursor);
  if (text === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw notANumber('cursor', text);
}

async function endOf(store: AlertStore): Promise<AlertPosition> {
  return { store: await store.id(), id: await store.lastId() };
}

function notANumber(field: string, text: string): Error {
  const rule = 'is not the number of an alert';
  return invalidField(field, text, rule, 'send what the last answer held');
}

function positionOf(lastEventId: string): AlertPosition {
  const position = readPosition(lastEventId);
  if (position) return position;
  throw notANumber('Last-Event-ID', lastEventId);
}
