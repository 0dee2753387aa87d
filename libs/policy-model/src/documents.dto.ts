/**
 * Hostward's own kinds as class-validator declares them. KubeArmor's policy has a table (schema.ts) instead, because two
 * modes must read it; these have one meaning each.
 */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  Equals,
  IsDefined,
  IsObject,
  IsOptional,
  IsString,
  ValidateBy,
  ValidateNested,
  type ValidationOptions,
} from 'class-validator';
import { isRecord } from './check-field.js';
import { isDnsSubdomain } from './names.js';

/** Says that a value must pass a predicate; `name` is the key of constraints.ts. */
function Passes(
  name: string,
  accepts: (value: unknown) => boolean,
  options?: ValidationOptions,
): PropertyDecorator {
  return ValidateBy({ name, validator: { validate: accepts } }, options);
}

const isTextMap = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((text) => typeof text === 'string');

const isEmpty = (value: unknown): boolean => isRecord(value) && Object.keys(value).length === 0;

class MetadataDto {
  @Passes('dnsName', (value) => typeof value === 'string' && isDnsSubdomain(value))
  name: string;

  @IsOptional()
  @IsString()
  namespace?: string;

  @IsOptional()
  @Passes('textMap', isTextMap)
  annotations?: Record<string, string>;

  @IsOptional()
  @Passes('textMap', isTextMap)
  labels?: Record<string, string>;
}

class SelectorDto {
  @IsOptional()
  @Passes('textMap', isTextMap)
  matchLabels?: Record<string, string>;

  @IsOptional()
  @ValidateNested({ each: true })
  @Type(() => ExpressionDto)
  matchExpressions?: ExpressionDto[];
}

class ExpressionDto {
  @IsString()
  key: string;

  @IsString()
  operator: string;

  @IsOptional()
  @IsString({ each: true })
  values?: string[];
}

class GroupSpecDto {
  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => SelectorDto)
  selector: SelectorDto;
}

/** A named selector. */
export class GroupDto {
  @Equals('hostward.io/v1')
  apiVersion: string;

  @Equals('Group')
  kind: string;

  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => MetadataDto)
  metadata: MetadataDto;

  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => GroupSpecDto)
  spec: GroupSpecDto;
}

/** A host declared before it enrols. karmor sends empty `spec` and `status` along. */
export class VirtualMachineDto {
  @Equals('security.kubearmor.com/v1')
  apiVersion: string;

  @Equals('KubeArmorVirtualMachine')
  kind: string;

  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => MetadataDto)
  metadata: MetadataDto;

  @IsOptional()
  @Passes('empty', isEmpty)
  spec?: object;

  @IsOptional()
  @Passes('empty', isEmpty)
  status?: object;
}
