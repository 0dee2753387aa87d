import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { DebianRelease } from './image-recipe.js';
import { runCommand } from './run-command.js';

const FALLBACK = 'deb http://deb.debian.org/debian trixie main\n';

/** Where an image can be made from: apt source texts and apt options, as this machine uses them. */
export interface AptOrigin {
  /** Texts of `.list` and `.sources` files, only with entries of the suite over the network. */
  sources: string[];
  /** Lines of apt configuration: proxy, retries and validity of dates. */
  options: string[];
}

/**
 * Reads this machine's apt configuration; Debian's public mirror stands in if it has no sources of Debian 13.
 * A mirror that has Debian 13 has the releases before it too, under the same suffixes.
 */
export async function readAptOrigin(release: DebianRelease, root = '/etc/apt'): Promise<AptOrigin> {
  const texts = await Promise.all((await sourceFiles(root)).map((file) => readFile(file, 'utf8')));
  const sources = texts.map(debian13Only).filter((text) => text !== '');
  const dump = await runCommand('apt-config', ['dump']);
  return {
    sources: (sources.length > 0 ? sources : [FALLBACK]).map((text) => forRelease(text, release)),
    options: networkOptions(dump.stdout),
  };
}

async function sourceFiles(root: string): Promise<string[]> {
  const folder = join(root, 'sources.list.d');
  const names = existsSync(folder) ? await readdir(folder) : [];
  const files = names
    .filter((name) => /\.(list|sources)$/.test(name))
    .map((name) => join(folder, name));
  return [join(root, 'sources.list'), ...files].filter((file) => existsSync(file));
}

/** The same sources with the suites of another release. */
export function forRelease(text: string, release: DebianRelease): string {
  return text.replace(/\btrixie\b/g, release);
}

/** Keeps the one-line entries or deb822 stanzas of `text` that name a trixie suite on a network mirror. */
export function debian13Only(text: string): string {
  const kept = /^Types:/m.test(text)
    ? text.split(/\n\s*\n/).filter(isDebian13Stanza)
    : text.split('\n').filter((line) => /^deb\s+(\[[^\]]*\]\s+)?https?:\S+\s+trixie/.test(line));
  return kept.length === 0 ? '' : `${kept.join(/^Types:/m.test(text) ? '\n\n' : '\n').trim()}\n`;
}

function isDebian13Stanza(stanza: string): boolean {
  const enabled = !/^Enabled:\s*(no|false)/im.test(stanza);
  return enabled && /^URIs:\s*https?:/m.test(stanza) && /^Suites:\s*trixie/m.test(stanza);
}

/** Of `apt-config dump`, the lines that say how to reach a mirror, with a value. */
export function networkOptions(dump: string): string[] {
  const wanted = /^Acquire::(https?::|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])/;
  return dump.split('\n').filter((line) => wanted.test(line) && !line.endsWith(' "";'));
}
