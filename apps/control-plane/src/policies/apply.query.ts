import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { DefaultSelector } from '#policy-model';
import { NameField } from '../http/name-field.js';
import { readSelector } from '../http/read-selector.js';

const FLAGS = ['true', 'false'];

/** Query of `POST /apply`. */
export class ApplyQuery {
  @ApiPropertyOptional({ enum: FLAGS, description: 'say what would happen, write nothing' })
  @IsOptional()
  @IsIn(FLAGS)
  dryRun?: string;

  @ApiPropertyOptional({
    enum: FLAGS,
    description: 'delete what the owner applied before and is not here',
  })
  @IsOptional()
  @IsIn(FLAGS)
  prune?: string;

  @ApiPropertyOptional({ description: 'whose set this is' })
  @IsOptional()
  @NameField()
  owner?: string;

  @ApiPropertyOptional({ description: 'selector for policies that have none' })
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  selector?: string;

  @ApiPropertyOptional({
    enum: FLAGS,
    description: 'policies without a selector select every host',
  })
  @IsOptional()
  @IsIn(FLAGS)
  allHosts?: string;

  @ApiPropertyOptional({
    enum: FLAGS,
    description: 'apply although a rule would block the control path',
  })
  @IsOptional()
  @IsIn(FLAGS)
  overrideProtection?: string;
}

/** What policies without a selector get; throws 400 for a text that is no selector. */
export function defaultSelector(query: ApplyQuery): DefaultSelector | undefined {
  if (query.allHosts === 'true') return 'all-hosts';
  return query.selector === undefined ? undefined : readSelector(query.selector, 'selector');
}
