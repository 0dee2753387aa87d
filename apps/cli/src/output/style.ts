import { env, stdout } from 'node:process';

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Tone = keyof typeof CODES;

/** Colours text where its stream is a terminal that can, and never where NO_COLOR is set (no-color.org). */
export function tone(text: string, name: Tone, stream: { isTTY?: boolean } = stdout): string {
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return stream.isTTY && !refused ? `\u001b[${CODES[name]}m${text}\u001b[0m` : text;
}

/** The tone of a rule or policy state: green holds, red fails, yellow is everything between. */
export function stateTone(state: string): Tone {
  if (state === 'enforced' || state === 'audited') return 'green';
  return state === 'failed' || state === 'refused' || state === 'unsupported' ? 'red' : 'yellow';
}
