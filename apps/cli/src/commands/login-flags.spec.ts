import { describe, expect, it } from '@jest/globals';
import { parseTarget } from '../bootstrap/target.js';
import { hostsOrigin } from '../input/hosts-origin.js';
import { machinesOf } from './login-flags.js';

const KNOWN = 'https://127.0.0.1:7443';

describe('where the way to hosts leads', () => {
  const originOf = (jump?: string): string => {
    const flags = { concurrency: 1, hostKeyFingerprint: [], jump };
    return hostsOrigin({
      known: KNOWN,
      machines: machinesOf([parseTarget('root@localhost')], flags),
    });
  };

  it('is this machine where host and jump are', () => {
    expect(originOf()).toBe(KNOWN);
    expect(originOf('me@127.0.0.1:2222')).toBe(KNOWN);
  });

  it('is another behind a jump of that machine, whatever the host is called there', () => {
    expect(() => originOf('me@bastion.example')).toThrow(/bastion\.example does not reach/);
  });
});
