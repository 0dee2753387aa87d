import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';

const FILE = new URL('../../../../tools/host/offboard.sh', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'hw-offboard-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The script but for its last line, on a host with systemd on which the sensor runs and answers `unload` with this code. */
function endPolicies(code: number): { readonly status: number | null; readonly said: string } {
  const functions = readFileSync(FILE, 'utf8').replace(/^main "\$@"\n$/m, '');
  const sensor = join(folder, 'hostward-sensor');
  writeFileSync(sensor, `#!/bin/sh\n[ "$1" = unload ] && exit ${code}\nexit 99\n`, { mode: 0o755 });
  const host = `LIBRARY=${folder}\nhas_systemd() { true; }\nsystemctl() { true; }\nend_policies\n`;
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', functions + host], {
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

describe('offboarding', () => {
  it.each([
    ['is done', 0],
    ['is done, though a full disk keeps it from being remembered', 3],
  ])('goes on when the end of enforcement %s', (_, code) => {
    expect(endPolicies(code)).toEqual({ status: 0, said: 'no policy is enforced any more\n' });
  });

  it('stops where enforcement did not end', () => {
    const { status, said } = endPolicies(1);
    expect(status).toBe(1);
    expect(said).toMatch(/^offboard: the sensor did not end enforcement/);
  });
});
