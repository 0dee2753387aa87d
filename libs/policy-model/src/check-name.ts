import type { Place } from './check-field.js';
import { correctedName, isDnsSubdomain } from './names.js';

export const NAME_REMEDY = 'use lower-case letters, digits, - and ., at most 253 characters';

/** The name, made a DNS name with a warning where the mode allows it and nothing has to be guessed; else as it is. */
export function correctName(name: string, { path, mode, report }: Place): string {
  if (mode === 'crd' || isDnsSubdomain(name)) return name;
  const corrected = correctedName(name);
  if (corrected === undefined) return name;
  const message = `it is stored as ${corrected}`;
  report({
    severity: 'warning',
    path,
    value: name,
    rule: 'corrected-name',
    message,
    remedy: NAME_REMEDY,
  });
  return corrected;
}
