import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';

const FLAGS = ['true', 'false'];

/** Query of what deletes one record by its name. */
export class UnreadableQuery {
  @ApiPropertyOptional({
    enum: FLAGS,
    description: 'delete it also where its record in etcd cannot be read',
  })
  @IsOptional()
  @IsIn(FLAGS)
  overrideUnreadable?: string;
}

/** Whether the caller means records that cannot be read too. */
export function overridesUnreadable({ overrideUnreadable }: UnreadableQuery): boolean {
  return overrideUnreadable === 'true';
}
