import { malformed } from './errors.js';
import { limits } from './limits.js';
import { type Parser, list, mapOf, object, oneOf, sha256HexText, base64Of, text } from './shape.js';
import { type PublicKey, parsePublicKey } from './signing-key.js';

/** Documents that an author signs in authored mode. */
export const AUTHORED_KINDS = ['policy', 'group', 'labels', 'suspension'] as const;
export type AuthoredKind = (typeof AUTHORED_KINDS)[number];

/**
 * What an author may sign; what is absent limits nothing. `labels`: only for hosts whose signed labels have all of
 * them. `sections` (process, file, network, …) and `tiers`: only policies whose every rule is of these.
 */
export interface AuthorScope {
  readonly documents?: readonly AuthoredKind[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly sections?: readonly string[];
  readonly tiers?: readonly string[];
}

/** A key of authored mode; without a scope it may sign everything. */
export interface Author extends PublicKey {
  readonly scope?: AuthorScope;
}

const parseScope: Parser<AuthorScope> = object(
  {},
  {
    documents: list(oneOf(...AUTHORED_KINDS), AUTHORED_KINDS.length, 1),
    labels: mapOf(text(limits.nameChars), limits.labelsPerNode),
    sections: list(text(40, /^[a-z]+$/), 16, 1),
    tiers: list(text(40, /^[a-z]+$/), 8, 1),
  },
);

const parseShape = object({ keyid: sha256HexText, key: base64Of(32) }, { scope: parseScope });

/** Strict parser of an author of a root document. */
export const parseAuthor: Parser<Author> = (value, path) => {
  const { scope, ...key } = parseShape(value, path);
  const author = parsePublicKey(key, path);
  if (scope !== undefined && Object.keys(scope).length === 0)
    malformed(`${path}.scope`, 'limits nothing; leave it out');
  return scope === undefined ? author : { ...author, scope };
};

/** What a document asks of its authors. Absent parts ask nothing. */
export interface Need {
  readonly kind: AuthoredKind;
  readonly sections?: readonly string[];
  readonly tier?: string;
  /** Signed labels of the host that the document changes something for. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Whether an author may sign what is needed. */
export function mayAuthor({ scope }: Author, need: Need): boolean {
  if (scope === undefined) return true;
  if (scope.documents && !scope.documents.includes(need.kind)) return false;
  if (need.tier !== undefined && scope.tiers && !scope.tiers.includes(need.tier)) return false;
  const outside = need.sections?.some((section) => scope.sections?.includes(section) === false);
  return outside !== true && hasLabels(need.labels, scope.labels);
}

/**
 * Whether the signers of a version may sign whatever those of the one before it may, of this kind. Then a host that never
 * saw the one before takes what follows it. `threshold`: how many must sign.
 */
export function maySucceed(
  signers: readonly Author[],
  before: readonly Author[],
  threshold: number,
): boolean {
  const isSigner = ({ keyid }: Author) => signers.some((each) => each.keyid === keyid);
  return before.every(
    (author) =>
      isSigner(author) || signers.filter((each) => isWithin(author, each)).length >= threshold,
  );
}

/** Kinds of documents apart. */
function isWithin({ scope = {} }: Author, { scope: wider = {} }: Author): boolean {
  const holds = (list: readonly string[] | undefined, of: readonly string[] | undefined) =>
    of === undefined || list?.every((each) => of.includes(each)) === true;
  return (
    holds(scope.sections, wider.sections) &&
    holds(scope.tiers, wider.tiers) &&
    hasLabels(scope.labels ?? {}, wider.labels)
  );
}

function hasLabels(has: Need['labels'], wanted: AuthorScope['labels']): boolean {
  if (has === undefined || wanted === undefined) return true;
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(has, key) && has[key] === value,
  );
}
