import { Controller, Get, Param, ParseIntPipe, Query } from '@nestjs/common';
import { ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import type { AuditLogEntryView, AuditLogHeadView, Page } from '#contracts';
import { Needs } from '../auth/needs.decorator.js';
import { Fleet } from './fleet.js';
import { decodeCursor, encodeCursor, invalidField } from '../http/index.js';
import { PageQuery } from '../http/page.query.js';
import { EtcdLedger } from './etcd-ledger.js';
import { SignedAuditLog } from './signed-audit-log.js';

/** Query of `GET /audit-log`. */
export class AuditLogQuery extends PageQuery {
  @ApiPropertyOptional({ minimum: 1, description: 'oldest first from this number on' })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  from?: number;
}

/** Who did what. */
@ApiTags('audit-log')
@Controller('v1/audit-log')
export class AuditLogController {
  constructor(
    private readonly auditLog: SignedAuditLog,
    private readonly ledger: EtcdLedger,
    private readonly fleet: Fleet,
  ) {}

  @Get()
  @Needs('audit-log:read')
  @ApiOperation({ summary: 'Entries, newest first; each holds the hash of the one before' })
  async list(@Query() query: AuditLogQuery): Promise<Page<AuditLogEntryView>> {
    const revision = this.fleet.whole().revision.toString();
    if (query.from !== undefined)
      return { items: await this.auditLog.from(query.from, query.limit), revision };
    const items = await this.auditLog.before(beforeOf(query.cursor), query.limit);
    const last = items.at(-1);
    const next = last && last.seq > 1 ? encodeCursor(String(last.seq)) : undefined;
    return { items, next, revision };
  }

  @Get('head')
  @Needs('audit-log:read')
  @ApiOperation({ summary: 'The end of the chain, signed by the online key' })
  async head(): Promise<AuditLogHeadView> {
    const alarm = await this.ledger.settle({ repair: true });
    return {
      head: await this.auditLog.head(),
      keys: this.auditLog.keys,
      alarm:
        alarm && `the head in etcd was not where the entries end; the audit log goes on ${alarm}`,
    };
  }

  @Get('heads/:seq')
  @Needs('audit-log:read')
  @ApiOperation({ summary: 'The head as it was signed when this entry was the newest' })
  async headAt(@Param('seq', ParseIntPipe) seq: number): Promise<AuditLogHeadView> {
    return { head: await this.auditLog.headAt(seq), keys: this.auditLog.keys };
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
