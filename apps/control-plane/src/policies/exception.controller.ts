import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, Length, MaxLength } from 'class-validator';
import type { ExceptionView, Page } from '#contracts';
import { actor } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { readEnd } from '../http/end-time.js';
import { NamePipe, PageQuery, pageOf } from '../http/index.js';
import { UnreadableQuery, overridesUnreadable } from '../http/unreadable.query.js';
import { NameField } from '../http/name-field.js';
import { readSelector } from '../http/read-selector.js';
import { TextField } from '../http/text-field.js';
import { ExceptionService, exceptionView, findException } from './exception.service.js';

const MAX_MS = 365 * 86_400_000;

/** Body of `POST /exceptions`. */
export class ExceptionBody {
  @ApiProperty()
  @NameField()
  policy: string;

  @ApiProperty({ description: 'label selector: the hosts it holds for' })
  @IsString()
  @Length(1, 2_000)
  selector: string;

  @ApiProperty({ description: 'ISO 8601, or a duration from now such as 30m; at most a year away' })
  @IsString()
  @MaxLength(40)
  until: string;

  @ApiProperty()
  @TextField(1_000)
  reason: string;
}

/** Exceptions with an end. */
@ApiTags('exceptions')
@Controller('v1/exceptions')
export class ExceptionController {
  constructor(
    private readonly fleet: Fleet,
    private readonly exceptions: ExceptionService,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Exceptions in force' })
  list(@Query() query: PageQuery): Page<ExceptionView> {
    const state = this.fleet.read();
    const items = state.exceptions.sorted();
    return pageOf(items, query, state.revision.toString(), ({ record }) => exceptionView(record));
  }

  @Get(':id')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'An exception' })
  get(@Param('id', NamePipe) id: string): ExceptionView {
    return exceptionView(findException(this.fleet.read(), id).record);
  }

  @Post()
  @Needs('exceptions:write')
  @ApiOperation({ summary: 'Allow on some hosts what a policy names, until a time' })
  create(@Body() body: ExceptionBody): Promise<ExceptionView> {
    readSelector(body.selector, 'selector');
    const until = readEnd(body.until, 'until', this.clock.nowMs(), MAX_MS);
    return this.exceptions.create({ ...body, until, by: actor() });
  }

  @Delete(':id')
  @Needs('exceptions:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'End an exception now' })
  async delete(@Param('id', NamePipe) id: string, @Query() query: UnreadableQuery): Promise<void> {
    await this.exceptions.end(id, actor(), { overrideUnreadable: overridesUnreadable(query) });
  }
}
