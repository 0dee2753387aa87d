import { instant, parseJson, record, text, version1 } from '../http/shape.js';

/** An exception as `exception/{policy}/{id}` holds it; the policy made for it lives as `policy/{madePolicy}`. */
export interface ExceptionRecord {
  readonly v: 1;
  readonly id: string;
  readonly policy: string;
  readonly madePolicy: string;
  readonly selector: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

const stored = record<ExceptionRecord>({
  v: version1,
  id: text(100),
  policy: text(253),
  madePolicy: text(253),
  selector: text(2_000),
  until: instant,
  reason: text(1_000),
  by: text(300),
  at: instant,
});

/** Reads a stored exception; throws ShapeError. */
export function decodeException(bytes: Uint8Array): ExceptionRecord {
  return stored(parseJson(bytes, 'exception'), 'exception');
}
