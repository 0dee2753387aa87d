import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import type { Path, Report } from './finding.js';
import type { RuleCode } from './rule-codes.js';

interface Wording {
  readonly rule: RuleCode;
  readonly message: string;
  readonly remedy: string;
}

/** What the constraints of documents.dto.ts say when they fail. */
const WORDINGS: Readonly<Record<string, Wording>> = {
  whitelistValidation: {
    rule: 'unknown-field',
    message: 'there is no such field',
    remedy: 'remove it, or correct its name',
  },
  dnsName: {
    rule: 'bad-name',
    message: 'it must be a DNS-1123 subdomain',
    remedy: 'use lower-case letters, digits, - and ., at most 253 characters',
  },
  textMap: {
    rule: 'wrong-type',
    message: 'a map of texts is expected',
    remedy: 'write KEY: "VALUE" for each',
  },
  empty: { rule: 'unknown-field', message: 'nothing may stand here', remedy: 'remove it' },
  isDefined: { rule: 'required-field', message: 'it is required', remedy: 'add it' },
  equals: {
    rule: 'unsupported-kind',
    message: 'it is not what this kind has',
    remedy: 'correct it',
  },
};

const FALLBACK: Wording = {
  rule: 'wrong-type',
  message: 'the value is of another type',
  remedy: 'see the example of this kind in the documentation',
};

/** Validates a plain value by a DTO class and reports what fails; true if nothing does. */
export function checkDto(dto: new () => object, value: unknown, report: Report): boolean {
  const instance = plainToInstance(dto, value);
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true });
  for (const error of errors) reportError(error, [], report);
  return errors.length === 0;
}

function reportError(error: ValidationError, parent: Path, report: Report): void {
  const step = /^\d+$/.test(error.property) ? Number(error.property) : error.property;
  const path = [...parent, step];
  const [constraint] = Object.keys(error.constraints ?? {});
  if (constraint !== undefined) {
    const missing = error.value === undefined || error.value === null;
    const wording = missing ? WORDINGS['isDefined'] : WORDINGS[constraint];
    report({ severity: 'error', path, value: error.value, ...(wording ?? FALLBACK) });
  }
  for (const child of error.children ?? []) reportError(child, path, report);
}
