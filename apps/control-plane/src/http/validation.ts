import { ValidationPipe, type ValidationError } from '@nestjs/common';
import type { FieldError } from '#contracts';
import { ProblemError, shown } from './problem.error.js';

/** The global validation: unknown fields are refused, classes are made, every broken rule is named. */
export function strictValidation(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: false,
    exceptionFactory: (errors) => invalidInput(errors),
  });
}

/** Fields whose value must not come back in an answer, which callers log. */
const SECRETS: ReadonlySet<string> = new Set(['secret', 'token', 'privateKey', 'idToken', 'nonce']);

function invalidInput(errors: readonly ValidationError[]): ProblemError {
  const fields = errors.flatMap((error) => fieldErrors(error, ''));
  const first = fields[0];
  return new ProblemError('invalid-input', {
    detail: first && `${first.field}: ${first.message}`,
    errors: fields.slice(0, 50),
  });
}

function fieldErrors(error: ValidationError, prefix: string): FieldError[] {
  const field = prefix === '' ? error.property : `${prefix}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    field: field.slice(0, 200),
    value: SECRETS.has(error.property) ? undefined : shown(error.value),
    message: message.slice(0, 300),
    remedy: rule === 'whitelistValidation' ? 'remove this field' : 'correct the value',
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, field))];
}
