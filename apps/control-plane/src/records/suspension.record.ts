import type { SuspensionView } from '#contracts';
import {
  flag,
  instant,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';

/** A break-glass as `suspend/{id}` holds it; the view with a format number. */
export type SuspensionRecord = { readonly v: 1 } & SuspensionView;

const stored = record<SuspensionRecord>({
  v: version1,
  id: text(100),
  target: record<SuspensionView['target']>({
    node: optional(text(253)),
    selector: optional(text(2_000)),
    all: optional(flag),
  }),
  mode: oneOf(['audit', 'off']),
  until: instant,
  reason: text(1_000),
  by: text(300),
  at: instant,
});

/** Reads a stored suspension; throws ShapeError. */
export function decodeSuspension(bytes: Uint8Array): SuspensionRecord {
  return stored(parseJson(bytes, 'suspension'), 'suspension');
}
