import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Max,
  Min,
} from 'class-validator';
import { ROLES, type ApiTokenView, type Page, type Role } from '#contracts';
import { Fleet } from '../store/fleet.js';
import { NamePipe, PageQuery, notFound, pageOf } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { apiTokenView } from '../records/api-token.record.js';
import { ApiTokenService } from './api-token.service.js';
import { Directory } from './directory.js';
import { Needs } from '../auth/needs.decorator.js';
import { checkScope } from '../auth/check-scope.js';

const DAY_MS = 86_400_000;

/** Body of `POST /api-tokens`. */
export class ApiTokenBody {
  @ApiProperty({ description: 'what it is for' })
  @NameField()
  name: string;

  @ApiProperty({ enum: ROLES, isArray: true })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(ROLES.length)
  @IsIn(ROLES, { each: true })
  roles: Role[];

  @ApiPropertyOptional({ description: 'label selector: the hosts it sees and touches' })
  @IsOptional()
  @IsString()
  @Length(1, 2_000)
  selector?: string;

  @ApiProperty({ minimum: 1_000, maximum: 366 * DAY_MS, default: 90 * DAY_MS })
  @IsOptional()
  @IsInt()
  @Min(1_000)
  @Max(366 * DAY_MS)
  ttlMs: number = 90 * DAY_MS;
}

/** Tokens for programs. */
@ApiTags('api-tokens')
@Controller('v1/api-tokens')
export class ApiTokenController {
  constructor(
    private readonly directory: Directory,
    private readonly tokens: ApiTokenService,
    private readonly fleet: Fleet,
  ) {}

  @Get()
  @Needs('people:read')
  @ApiOperation({ summary: 'API tokens, by id; the tokens themselves are nowhere' })
  list(@Query() query: PageQuery): Page<ApiTokenView> {
    const items = this.directory.tokens.sorted().filter(({ record }) => record.kind === 'api');
    const revision = this.fleet.whole().revision.toString();
    return pageOf(items, query, revision, ({ record }) => apiTokenView(record));
  }

  @Get(':id')
  @Needs('people:read')
  @ApiOperation({ summary: 'An API token' })
  get(@Param('id', NamePipe) id: string): ApiTokenView {
    const found = this.directory.tokens.get(id)?.record;
    if (found?.kind === 'api') return apiTokenView(found);
    throw notFound('API token', id);
  }

  @Post()
  @Needs('people:write')
  @ApiOperation({ summary: 'Make an API token; it is shown in this answer only' })
  create(@Body() body: ApiTokenBody): Promise<ApiTokenView> {
    checkScope(body.selector);
    return this.tokens.create(body);
  }

  @Delete(':id')
  @HttpCode(204)
  @Needs('people:write')
  @ApiOperation({ summary: 'Revoke an API token or session' })
  async delete(@Param('id', NamePipe) id: string): Promise<void> {
    await this.tokens.delete(id);
  }
}
