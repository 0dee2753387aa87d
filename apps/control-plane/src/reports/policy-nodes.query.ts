import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { RULE_STATES, type RuleState } from '#contracts';
import { PageQuery, invalidField } from '../http/index.js';
import { NameField } from '../http/name-field.js';

/** Query of `GET /policies/{name}/nodes`. */
export class PolicyNodesQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'states by commas, e.g. `pending,failed`' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  state?: string;

  @ApiPropertyOptional({ description: 'one host by its exact name' })
  @IsOptional()
  @NameField()
  node?: string;
}

/** The states that are asked for; undefined: any. Throws 400 for a word that is no state. */
export function statesOf({ state }: PolicyNodesQuery): ReadonlySet<RuleState> | undefined {
  if (state === undefined) return undefined;
  return new Set(state.split(',').map((word) => readState(word.trim(), state)));
}

function readState(word: string, field: string): RuleState {
  const found = RULE_STATES.find((known) => known === word);
  if (found !== undefined) return found;
  const remedy = `use ${RULE_STATES.join(', ')}`;
  throw invalidField('state', field, `"${word}" is not a state`, remedy);
}
