import { expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { execPath } from 'node:process';
import { MARKING_FLAGS } from './marking.js';

it.each(MARKING_FLAGS)('V8 still knows %s, which it would only grumble at', (flag) => {
  const known = execFileSync(execPath, ['--v8-options'], { encoding: 'utf8' });
  expect(known).toContain(`  ${flag.split('=')[0]} (`);
});
