import { describe, expect, it } from '@jest/globals';
import { CommandFailed } from '../output/errors.js';
import { hostsOrigin } from './hosts-origin.js';

const OWN = 'https://127.0.0.1:7443';

describe('the address by which hosts reach the control plane', () => {
  it('is what the option says, even where that is a loopback', () => {
    const given = 'https://cp.example:7443';
    expect(hostsOrigin({ given, known: OWN, machines: ['web1'] })).toBe(given);
    expect(hostsOrigin({ given: OWN, known: given })).toBe(OWN);
  });

  it('is that of the context where hosts can reach it: it is no loopback, or all of them are this machine', () => {
    const known = 'https://cp.example:7443';
    expect(hostsOrigin({ known, machines: ['web1'] })).toBe(known);
    expect(hostsOrigin({ known })).toBe(known);
    expect(hostsOrigin({ known: OWN, machines: ['127.0.0.1', 'localhost', '::1'] })).toBe(OWN);
  });

  it('is never the loopback of this machine for another, and the refusal names host and option', () => {
    for (const known of [OWN, 'https://localhost:7443', 'https://[::1]:7443']) {
      const refused = () => hostsOrigin({ known, machines: ['127.0.0.1', 'web1'] });
      expect(refused).toThrow(CommandFailed);
      expect(refused).toThrow(/web1/);
      expect(() => hostsOrigin({ known })).toThrow(/the host does not reach/);
    }
    const error = errorOf(() => hostsOrigin({ known: OWN, machines: ['web1'] }));
    expect(error).toMatchObject({
      remedy: expect.stringContaining('--control-plane https://NAME:7443'),
    });
  });
});

function errorOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}
