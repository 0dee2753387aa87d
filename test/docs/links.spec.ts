import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ELSEWHERE = /^(?:https?|mailto):/;

const files = execFileSync('git', ['ls-files', '*.md'], { encoding: 'utf8' }).trim().split('\n');
const textOf = (file: string): string => readFileSync(file, 'utf8').replace(/^```.*?^```/gms, '');
const anchors = new Map(files.map((file) => [file, anchorsOf(textOf(file))]));

/** As a forge makes them of headings, and those that a text gives itself. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/(?<!\w)_|_(?!\w)/g, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
  const own = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return new Set([...headings, ...own]);
}

function deadLinksOf(file: string): readonly string[] {
  const links = [...textOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => !ELSEWHERE.test(link) && !leads(file, link));
}

function leads(file: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : normalize(`${dirname(file)}/${path}`);
  return existsSync(target) && (anchor === undefined || anchors.get(target)?.has(anchor) === true);
}

describe('links of the documents', () => {
  it('are looked at in more than a few', () => expect(files.length).toBeGreaterThan(20));

  it.each(files)('lead somewhere: %s', (file) => expect(deadLinksOf(file)).toEqual([]));
});
