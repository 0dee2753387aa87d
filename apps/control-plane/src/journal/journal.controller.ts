import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { JournalEntryView, Page } from '#contracts';
import { decodeCursor, encodeCursor, invalidField } from '../http/index.js';
import { PageQuery } from '../http/page.query.js';
import { JournalReader } from './journal-reader.js';

/** Who did what. */
@ApiTags('journal')
@Controller('v1/journal')
export class JournalController {
  constructor(private readonly journal: JournalReader) {}

  @Get()
  @ApiOperation({ summary: 'Entries, newest first; each holds the hash of the one before' })
  async list(@Query() query: PageQuery): Promise<Page<JournalEntryView>> {
    const { entries, revision } = await this.journal.before(beforeOf(query.cursor), query.limit);
    const last = entries.at(-1);
    const next = last && last.seq > 1 ? encodeCursor(String(last.seq)) : undefined;
    return {
      items: entries.map(({ v: _format, ...entry }) => entry),
      next,
      revision: revision.toString(),
    };
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
