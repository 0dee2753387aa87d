import { describe, expect, it } from '@jest/globals';
import { etcdKeys } from '#etcd';
import { checkReadable } from './check-readable.js';

const AT = '2026-01-01T00:00:00.000Z';

const node = (by: string) => ({
  type: 'put' as const,
  key: etcdKeys.node('web1'),
  value: JSON.stringify({ v: 1, name: 'web1', labels: {}, at: AT, by }),
});

describe('what is to be written to etcd', () => {
  it('is refused where no control plane could read it again', () => {
    expect(() => checkReadable([node('admin'), node('x'.repeat(301))])).toThrow(
      /web1 could not be read again/,
    );
    expect(() => checkReadable([node('admin')])).not.toThrow();
  });

  it('is not read where it is none of the fleet, or goes', () => {
    const stray = { type: 'put' as const, key: 'elsewhere/x', value: '' };
    expect(() => checkReadable([stray, { type: 'delete', key: node('').key }])).not.toThrow();
  });
});
