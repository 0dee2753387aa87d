import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsDefined,
  IsIn,
  IsOptional,
  IsString,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import type { Page, SuspensionView } from '#contracts';
import { actor } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { readEnd } from '../http/end-time.js';
import { NamePipe, PageQuery, invalidField, notFound, pageOf } from '../http/index.js';
import { UnreadableQuery, overridesUnreadable } from '../http/unreadable.query.js';
import { NameField } from '../http/name-field.js';
import { readSelector } from '../http/read-selector.js';
import { TextField } from '../http/text-field.js';
import { findNode } from '../store/find-node.js';
import { SuspensionService, suspensionView } from './suspension.service.js';

const MAX_MS = 30 * 86_400_000;

/** Whom a suspension is for: exactly one of the three. */
export class TargetBody {
  @ApiPropertyOptional()
  @IsOptional()
  @NameField()
  node?: string;

  @ApiPropertyOptional({ description: 'label selector' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsBoolean()
  all?: boolean;
}

/** Body of `POST /suspensions`. */
export class SuspensionBody {
  @ApiProperty()
  @IsDefined()
  @ValidateNested()
  @Type(() => TargetBody)
  target: TargetBody;

  @ApiProperty({ enum: ['audit', 'off'] })
  @IsIn(['audit', 'off'])
  mode: 'audit' | 'off';

  @ApiProperty({
    description: 'ISO 8601, or a duration from now such as 30m; at most 30 days away',
  })
  @IsString()
  @MaxLength(40)
  until: string;

  @ApiProperty()
  @TextField(1_000)
  reason: string;
}

/** Break-glass. */
@ApiTags('suspensions')
@Controller('v1/suspensions')
export class SuspensionController {
  constructor(
    private readonly fleet: Fleet,
    private readonly suspensions: SuspensionService,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Needs('fleet:read')
  @ApiOperation({ summary: 'Suspensions in force' })
  list(@Query() query: PageQuery): Page<SuspensionView> {
    const state = this.fleet.read();
    const view = ({ record }: { record: Parameters<typeof suspensionView>[0] }) =>
      suspensionView(record);
    return pageOf(state.suspensions.sorted(), query, state.revision.toString(), view);
  }

  @Get(':id')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'A suspension' })
  get(@Param('id', NamePipe) id: string): SuspensionView {
    const found = this.fleet.read().suspensions.get(id);
    if (found) return suspensionView(found.record);
    throw notFound('suspension', id);
  }

  @Post()
  @Needs('suspensions:write')
  @ApiOperation({ summary: 'Stop enforcing on a host, a selector or the fleet; it ends by itself' })
  create(@Body() body: SuspensionBody): Promise<SuspensionView> {
    const target = this.#target(body.target);
    const until = readEnd(body.until, 'until', this.clock.nowMs(), MAX_MS);
    return this.suspensions.create({
      target,
      mode: body.mode,
      until,
      reason: body.reason,
      by: actor(),
    });
  }

  @Delete(':id')
  @Needs('suspensions:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'End a suspension before its time' })
  async delete(@Param('id', NamePipe) id: string, @Query() query: UnreadableQuery): Promise<void> {
    await this.suspensions.end(id, actor(), { overrideUnreadable: overridesUnreadable(query) });
  }

  #target({ node, selector, all }: TargetBody): SuspensionView['target'] {
    const named = [node !== undefined, selector !== undefined, all === true].filter(Boolean);
    if (named.length !== 1) {
      throw invalidField(
        'target',
        undefined,
        'must name exactly one of node, selector and all',
        'name one',
      );
    }
    // A misspelt host must not look as if it had been freed.
    if (node !== undefined) findNode(this.fleet.read(), node);
    if (selector !== undefined) readSelector(selector, 'target.selector');
    return all === true ? { all } : { node, selector };
  }
}
