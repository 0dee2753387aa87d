import { describe, expect, it } from '@jest/globals';
import { parseOptions, UsageError } from './options.js';

describe('options of the compiler', () => {
  it('are a service by default, with the key from the credentials that systemd passes', () => {
    expect(parseOptions([], { CREDENTIALS_DIRECTORY: '/run/c' })).toMatchObject({
      mode: 'service',
      idleMs: 60_000,
      sealingKeyFile: '/run/c/sealing-key',
    });
    expect(parseOptions(['--trust-dir', '/t'], {})).toMatchObject({
      sealingKeyFile: '/t/sealing.key',
    });
  });

  it.each([{ LISTEN_FDS: '1' }, { INVOCATION_ID: 'x' }, { CREDENTIALS_DIRECTORY: '/run/c' }])(
    'refuse --once in a service, since it checks no signatures',
    (env) => {
      expect(() => parseOptions(['--once', '--policies', 'p', '--out', 'o'], env)).toThrow(
        UsageError,
      );
    },
  );

  it.each([
    ['--bogus'],
    ['--once'],
    ['--once', '--policies', 'p'],
    ['--idle-seconds', '-1'],
    ['--timeout-seconds', 'x'],
    ['stray'],
  ])('refuse %s', (...args) => {
    expect(() => parseOptions(args, {})).toThrow(UsageError);
  });
});
