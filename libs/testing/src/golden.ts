import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The text of a golden file, to compare with. With UPDATE_GOLDEN=1 the file is written first: its change is then read
 * in review like any other.
 */
export function golden(file: string, text: string): string {
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return readFileSync(file, 'utf8');
}
