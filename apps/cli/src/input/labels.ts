import { UsageError } from '../output/errors.js';

/** Changes of `label node NAME k=v k-`: a null removes the label. Validity of keys is the control plane's to say. */
export function parseLabelChanges(words: readonly string[]): Record<string, string | null> {
  const changes: Record<string, string | null> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals > 0) changes[word.slice(0, equals)] = word.slice(equals + 1);
    else if (equals < 0 && word.endsWith('-') && word.length > 1) changes[word.slice(0, -1)] = null;
    else
      throw new UsageError(
        `"${word}" is not a label change: write key=value to set or key- to remove`,
      );
  }
  return changes;
}

/** `env=prod,tier=web` as a map; an empty text is an empty map. */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(
    parseLabelChanges(text.split(',').filter((word) => word !== '')),
  )) {
    if (value === null)
      throw new UsageError(`"${key}-" removes a label, which has no meaning here: write key=value`);
    labels[key] = value;
  }
  return labels;
}

/** karmor's `env:prod,tier:web` as label changes; `=` is taken too. To delete, the value may be left out. */
export function parseKarmorLabels(
  text: string,
  verb: 'add' | 'delete',
): Record<string, string | null> {
  const changes: Record<string, string | null> = {};
  for (const word of text.split(',').filter((each) => each !== '')) {
    const [, key, value] = /^([^:=]+)(?:[:=](.*))?$/.exec(word) ?? [];
    if (key === undefined || (verb === 'add' && value === undefined))
      throw new UsageError(`"${word}" is not a label: write key:value`);
    changes[key] = verb === 'add' ? (value ?? '') : null;
  }
  return changes;
}
