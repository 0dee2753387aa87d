import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalidField } from './problem.error.js';

const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** DNS subdomain of at most 253 characters: no slash, no dot-dot, no white space, so safe as a part of a key. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && NAME.test(value);
}

/** Path parameters that name a thing; anything else is a 400, before a store sees it. */
@Injectable()
export class NamePipe implements PipeTransform<unknown, string> {
  transform(value: unknown): string {
    if (isName(value)) return value;
    throw invalidField(
      'name',
      value,
      'is not a name',
      'use lower-case letters, digits, "-" and ".", at most 253 characters',
    );
  }
}
