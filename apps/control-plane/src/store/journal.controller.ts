import { Controller, Get, Param, ParseIntPipe, Query } from '@nestjs/common';
import { ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import type { JournalEntryView, JournalHeadView, Page } from '#contracts';
import { Needs } from '../auth/needs.decorator.js';
import { Fleet } from './fleet.js';
import { decodeCursor, encodeCursor, invalidField } from '../http/index.js';
import { PageQuery } from '../http/page.query.js';
import { EtcdLedger } from './etcd-ledger.js';
import { SignedJournal } from './signed-journal.js';

/** Query of `GET /journal`. */
export class JournalQuery extends PageQuery {
  @ApiPropertyOptional({ minimum: 1, description: 'oldest first from this number on' })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  from?: number;
}

/** Who did what. */
@ApiTags('journal')
@Controller('v1/journal')
export class JournalController {
  constructor(
    private readonly journal: SignedJournal,
    private readonly ledger: EtcdLedger,
    private readonly fleet: Fleet,
  ) {}

  @Get()
  @Needs('journal:read')
  @ApiOperation({ summary: 'Entries, newest first; each holds the hash of the one before' })
  async list(@Query() query: JournalQuery): Promise<Page<JournalEntryView>> {
    const revision = this.fleet.whole().revision.toString();
    if (query.from !== undefined)
      return { items: await this.journal.from(query.from, query.limit), revision };
    const items = await this.journal.before(beforeOf(query.cursor), query.limit);
    const last = items.at(-1);
    const next = last && last.seq > 1 ? encodeCursor(String(last.seq)) : undefined;
    return { items, next, revision };
  }

  @Get('head')
  @Needs('journal:read')
  @ApiOperation({ summary: 'The end of the chain, signed by the online key' })
  async head(): Promise<JournalHeadView> {
    const alarm = await this.ledger.settle({ repair: true });
    return {
      head: await this.journal.head(),
      keys: this.journal.keys,
      alarm:
        alarm && `the head in etcd was not where the entries end; the journal goes on ${alarm}`,
    };
  }

  @Get('heads/:seq')
  @Needs('journal:read')
  @ApiOperation({ summary: 'The head as it was signed when this entry was the newest' })
  async headAt(@Param('seq', ParseIntPipe) seq: number): Promise<JournalHeadView> {
    return { head: await this.journal.headAt(seq), keys: this.journal.keys };
  }
}

function beforeOf(cursor: string | undefined): number | undefined {
  const text = decodeCursor(cursor);
  if (text === undefined) return undefined;
  const seq = Number(text);
  if (Number.isSafeInteger(seq) && seq > 0) return seq;
  throw invalidField(
    'cursor',
    cursor,
    'is not a cursor of this list',
    'send `next` of the page before',
  );
}
