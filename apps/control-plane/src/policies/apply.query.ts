import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import type { DefaultSelector } from '#policy-model';
import { NameField } from '../http/name-field.js';
import { invalidField } from '../http/problem.error.js';
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

  @ApiPropertyOptional({
    enum: FLAGS,
    description: 'replace records in etcd too that cannot be read',
  })
  @IsOptional()
  @IsIn(FLAGS)
  overrideUnreadable?: string;
}

/** What policies without a selector get; throws 400 for a text that is no selector, and for one beside `allHosts`. */
export function defaultSelector(query: ApplyQuery): DefaultSelector | undefined {
  const isForAll = query.allHosts === 'true';
  if (query.selector === undefined) return isForAll ? 'all-hosts' : undefined;
  const selector = readSelector(query.selector, 'selector');
  if (!isForAll) return selector;
  throw invalidField(
    'selector',
    query.selector,
    'stands beside allHosts=true, which selects every host',
    'name one of the two',
  );
}
