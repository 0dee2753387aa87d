import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  Max,
  Min,
} from 'class-validator';
import { etcdKeys } from '#etcd';
import { ATTESTATIONS, type AttestationKind, type JoinTokenView, type Page } from '#contracts';
import { actor, currentCaller } from '../auth/caller.js';
import { Needs } from '../auth/needs.decorator.js';
import { FleetEditor } from '../store/fleet-editor.js';
import {
  NamePipe,
  PageQuery,
  decodeCursor,
  encodeCursor,
  invalidField,
  notFound,
} from '../http/index.js';
import { NameField } from '../http/name-field.js';
import type { Stored } from '../store/record-index.js';
import { JoinTokenMaker } from './join-token.maker.js';
import { JoinTokenStore } from './join-token.store.js';
import {
  MAX_CIDRS,
  MAX_GROUPS,
  isJoinTokenId,
  isWithinScope,
  joinTokenView,
  type JoinTokenRecord,
} from '../records/join-token.record.js';

const NEXT = 'send `next` of the page before';
const HOUR_MS = 3_600_000;
const MAX_TTL_MS = 90 * 24 * HOUR_MS;

/** Body of `POST /join-tokens`. */
export class JoinTokenBody {
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  @IsOptional()
  @IsObject()
  labels: Record<string, unknown> = {};

  @ApiProperty({ minimum: 1, maximum: 100_000, default: 1 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(100_000)
  uses: number = 1;

  @ApiProperty({ minimum: 1_000, maximum: MAX_TTL_MS, default: HOUR_MS })
  @IsOptional()
  @IsInt()
  @Min(1_000)
  @Max(MAX_TTL_MS)
  ttlMs: number = HOUR_MS;

  @ApiPropertyOptional({ type: [String], description: 'networks from which hosts may join by it' })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_CIDRS)
  cidrs: unknown[] = [];

  @ApiPropertyOptional({ enum: ATTESTATIONS, description: 'what a host must prove beside' })
  @IsOptional()
  @IsIn(ATTESTATIONS)
  attest?: AttestationKind;

  @ApiPropertyOptional({ type: [String], description: 'groups that must select each such host' })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_GROUPS)
  groups: unknown[] = [];

  @ApiPropertyOptional({ description: 'the one name under which a host may join by it' })
  @IsOptional()
  @NameField()
  node?: string;
}

/** Tokens by which hosts join. */
@ApiTags('join-tokens')
@Controller('v1/join-tokens')
export class JoinTokenController {
  constructor(
    private readonly store: JoinTokenStore,
    private readonly editor: FleetEditor,
    private readonly maker: JoinTokenMaker,
  ) {}

  @Get()
  @Needs('join-tokens:read')
  @ApiOperation({ summary: 'List join tokens; the tokens themselves are nowhere' })
  async list(@Query() query: PageQuery): Promise<Page<JoinTokenView>> {
    const after = decodeCursor(query.cursor);
    if (after !== undefined && !isJoinTokenId(after))
      throw invalidField('cursor', query.cursor, 'is not a cursor of this list', NEXT);
    const { items, more, revision } = await this.store.page(query.limit, after);
    const last = items.at(-1);
    const next = more && last ? encodeCursor(last.id) : undefined;
    const shown = items.filter((item) => isWithinScope(item, currentCaller()?.scope));
    return { items: shown.map((item) => joinTokenView(item)), next, revision: revision.toString() };
  }

  @Get(':id')
  @Needs('join-tokens:read')
  @ApiOperation({ summary: 'A join token' })
  async get(@Param('id', NamePipe) id: string): Promise<JoinTokenView> {
    return joinTokenView((await this.#find(id)).record);
  }

  @Post()
  @Needs('join-tokens:write')
  @ApiOperation({ summary: 'Make a join token; it is shown in this answer only' })
  create(@Body() body: JoinTokenBody): Promise<JoinTokenView> {
    return this.maker.make(body);
  }

  @Delete(':id')
  @Needs('join-tokens:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a join token; hosts that joined by it stay' })
  async delete(@Param('id', NamePipe) id: string): Promise<void> {
    await this.editor.edit(async () => {
      await this.#find(id);
      const key = etcdKeys.joinToken(id);
      return {
        // Not its revision: hosts that come by it count their uses, and would be faster again and again.
        if: [{ key, exists: true }],
        then: [{ type: 'delete', key }],
        auditLog: { by: actor(), action: 'join-token.deleted', target: id },
      };
    });
  }

  /** Throws 404, also for a token of hosts that the caller does not see. */
  async #find(id: string): Promise<Stored<JoinTokenRecord>> {
    const found = await this.store.get(id);
    if (found && isWithinScope(found.record, currentCaller()?.scope)) return found;
    throw notFound('join token', id);
  }
}
