import { parseCanonical } from './canonical.js';
import { malformed } from './errors.js';
import { limits } from './limits.js';
import { anything, integer, mapOf, object, oneOf, sha256HexText, text, version1 } from './shape.js';

/** Which hosts a suspension is for, by what hosts know of themselves by signature. */
export interface SuspensionTarget {
  readonly all?: true;
  readonly nodeId?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Break-glass in authored mode: an author suspends enforcement until a time (ms since 1970). Ending it earlier is a
 * version too (`deleted`).
 */
export type SuspensionDocument = {
  readonly v: 1;
  readonly name: string;
  readonly version: number;
} & (
  | {
      readonly target: SuspensionTarget;
      readonly mode: 'audit' | 'off';
      readonly until: number;
      readonly reason: string;
      readonly deleted?: never;
    }
  | { readonly deleted: true }
);

const parseTarget = object(
  {},
  {
    all: anything,
    nodeId: sha256HexText,
    labels: mapOf(text(limits.nameChars), limits.labelsPerNode),
  },
);
const parseShape = object(
  { v: version1, name: text(limits.nameChars, /^[^\0]+$/), version: integer(1) },
  {
    target: parseTarget,
    mode: oneOf('audit', 'off'),
    until: integer(0),
    reason: text(limits.reasonChars),
    deleted: anything,
  },
);

/** Strict reading of a suspension's payload. */
export function parseSuspension(payload: Uint8Array, path: string): SuspensionDocument {
  const { v, name, version, target, mode, until, reason, deleted } = parseShape(
    parseCanonical(payload, path, limits.labelsBytes),
    path,
  );
  if (deleted === true && [target, mode, until, reason].every((each) => each === undefined))
    return { v, name, version, deleted };
  if (deleted !== undefined || !target || !mode || until === undefined || reason === undefined)
    return malformed(path, 'needs target, mode, until and reason, or deleted: true');
  return { v, name, version, target: targetOf(target, path), mode, until, reason };
}

function targetOf(target: ReturnType<typeof parseTarget>, path: string): SuspensionTarget {
  const { all, nodeId, labels } = target;
  if (Object.keys(target).length !== 1)
    malformed(`${path}.target`, 'names all, a nodeId or labels');
  if (labels) return Object.keys(labels).length > 0 ? { labels } : malformed(path, 'has no label');
  if (nodeId !== undefined) return { nodeId };
  return all === true ? { all } : malformed(`${path}.target.all`, 'is true or absent');
}

/** Whether a suspension is for this host. */
export function isTargeted(
  { all, nodeId, labels = {} }: SuspensionTarget,
  host: { readonly nodeId: string; readonly labels: Readonly<Record<string, string>> },
): boolean {
  if (all) return true;
  if (nodeId !== undefined) return nodeId === host.nodeId;
  const wanted = Object.entries(labels);
  return (
    wanted.length > 0 &&
    wanted.every(([key, value]) => Object.hasOwn(host.labels, key) && host.labels[key] === value)
  );
}
