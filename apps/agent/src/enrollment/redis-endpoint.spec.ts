import { describe, expect, it } from '@jest/globals';
import { redisEndpoints } from './enrolled-host.js';
import { isRedisEndpoint } from './redis-endpoint.js';

const URL_OF_CONTROL_PLANE = new URL('https://cp.example:7443');
const other = { host: 'two.example', port: 6379 };

describe('where a host reaches Redis', () => {
  it.each<[string, unknown, boolean]>([
    ['as it was before there were further nodes', { port: 6379 }, true],
    ['with further nodes', { host: 'one.example', port: 6379, others: [other] }, true],
    ['without a port', { host: 'one.example' }, false],
    ['as nothing', undefined, false],
    ['with a further node without a port', { port: 1, others: [{ host: 'x' }] }, false],
    ['with further nodes that are no list', { port: 1, others: other }, false],
    ['with more of them than are tried', { port: 1, others: Array(17).fill(other) }, false],
  ])('is read %s', (_title, value, expected) => {
    expect(isRedisEndpoint(value)).toBe(expected);
  });

  it('is first what is named, under the name of the control plane where there is none, then the others', () => {
    const events = { port: 6380 };
    const found = redisEndpoints({ port: 6379, others: [other], events }, URL_OF_CONTROL_PLANE);
    const first = { host: 'cp.example', port: 6379 };
    expect(found.control).toMatchObject({ ...first, masterOnly: true });
    expect(found.control.candidates()).toEqual([first, other]);
    expect(found.events?.candidates()).toEqual([{ host: 'cp.example', port: 6380 }]);
  });
});
