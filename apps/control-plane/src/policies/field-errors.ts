import type { FieldError } from '#contracts';
import type { Diagnostic } from '#policy-model';

/** A diagnostic of #policy-model as the REST API tells it. */
export function toFieldError(diagnostic: Diagnostic): FieldError {
  const { document, path, value, message, remedy, line, column } = diagnostic;
  const field = path === '' ? `documents[${document}]` : `documents[${document}].${path}`;
  return { field, value: value === '' ? undefined : value, message, remedy, line, column };
}

/** An error about a document as a whole. */
export function documentError(
  index: number,
  path: string,
  message: string,
  remedy: string,
): FieldError {
  return {
    field: path === '' ? `documents[${index}]` : `documents[${index}].${path}`,
    message,
    remedy,
  };
}
