import type { Report } from './finding.js';
import { TIERS } from './kinds.js';
import { annotationMarks, MARK_PREFIX } from './marks.js';

type Annotations = Readonly<Record<string, string>>;

const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** What the value of each mark must be; marks without an entry take any text. */
const VALUES: ReadonlyMap<
  string,
  { readonly accepts: (value: string) => boolean; readonly expects: string }
> = new Map([
  [annotationMarks.tier, oneOf(TIERS)],
  [annotationMarks.posture, oneOf(['audit', 'block'])],
  [annotationMarks.overrideProtection, oneOf(['true', 'false'])],
  [
    annotationMarks.until,
    {
      accepts: (value) => ISO_INSTANT.test(value) && !Number.isNaN(Date.parse(value)),
      expects: 'a time such as 2030-01-31T18:00:00Z',
    },
  ],
]);

function oneOf(values: readonly string[]): {
  accepts: (value: string) => boolean;
  expects: string;
} {
  return { accepts: (value) => values.includes(value), expects: `one of ${values.join(', ')}` };
}

/**
 * Reports marks that are misspelt or misused: one that is silently without effect, such as `hostward.io/postur: block`,
 * would leave a host less protected than its operator believes.
 */
export function checkAnnotations(annotations: Annotations, report: Report): void {
  for (const [key, value] of Object.entries(annotations)) {
    if (key.startsWith(MARK_PREFIX)) checkMark(key, value, report);
  }
  checkException(annotations, report);
}

function checkMark(key: string, value: string, report: Report): void {
  const path = ['metadata', 'annotations', key];
  const known = Object.values(annotationMarks);
  if (!known.some((mark) => mark === key)) {
    const message = `there is no mark ${key}`;
    return report({
      severity: 'error',
      path,
      value,
      rule: 'bad-mark',
      message,
      remedy: `known: ${known.join(', ')}`,
    });
  }
  const rule = VALUES.get(key);
  if (rule === undefined || rule.accepts(value)) return;
  const message = `${rule.expects} is expected`;
  report({
    severity: 'error',
    path,
    value,
    rule: 'bad-mark',
    message,
    remedy: `write ${rule.expects}`,
  });
}

function checkException(annotations: Annotations, report: Report): void {
  const isException = annotations[annotationMarks.tier] === 'exception';
  const ends = annotations[annotationMarks.until] !== undefined;
  if (isException === ends) return;
  const message = isException
    ? 'an exception must have an end'
    : `${annotationMarks.until} is for exceptions only`;
  const remedy = isException
    ? `add ${annotationMarks.until}: "2030-01-31T18:00:00Z"`
    : `add ${annotationMarks.tier}: exception, or remove it`;
  report({
    severity: 'error',
    path: ['metadata', 'annotations'],
    rule: 'bad-mark',
    message,
    remedy,
  });
}
