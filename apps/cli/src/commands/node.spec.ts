import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { registerNode } from './node.js';

const GUIDE = new URL('../../../../docs/how-to/manage-hosts.md', import.meta.url);

/** What `node revoke --help` prints. */
function help(): string {
  let text = '';
  const program = new Command().configureOutput({ writeOut: (part) => (text += part) });
  registerNode(program.exitOverride());
  expect(() => program.parse(['node', 'revoke', '--help'], { from: 'user' })).toThrow();
  return text;
}

/** The steps on the host, as the guide has them. */
async function steps(): Promise<string[]> {
  const section = (await readFile(GUIDE, 'utf8')).split('\n## Revoke a host\n')[1] ?? '';
  const block = section.split('On it, as root:\n\n')[1]?.split('\n\n')[0] ?? '';
  return block.split('\n').map((line) => line.trim());
}

describe('the help of node revoke', () => {
  it('names the steps by which the machine comes in again as the guide does', async () => {
    const named = help().replaceAll(/\\\n\s+/g, '');
    const wanted = await steps();
    expect(wanted[0]).toBe('systemctl stop hostward-agent');
    for (const step of wanted) expect(named).toContain(`\n  ${step}\n`);
    // The record of a revoked host keeps its name.
    expect(named.indexOf('hostward delete node web1')).toBeLessThan(named.indexOf(wanted[0] ?? ''));
    expect(named).toContain('hostward delete node web1');
  });

  it('fits a terminal', () => {
    for (const line of help().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
