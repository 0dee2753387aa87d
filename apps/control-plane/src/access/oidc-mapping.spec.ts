import { describe, expect, it } from '@jest/globals';
import type { OidcConfig } from '../config/oidc.js';
import { mappingNow, mappingOf } from './oidc-mapping.js';

const config: OidcConfig = {
  ...{ issuer: 'https://login.example', clientId: 'cli', scopes: ['openid'], rolesClaim: 'groups' },
  roles: [
    { value: 'web', roles: ['operator'], selector: 'team=web' },
    { value: 'platform', roles: ['admin'] },
  ],
};

describe('the mapping of a claim', () => {
  it('is the first of the configuration that the claim has, whatever the order of the claim', () => {
    expect(mappingOf(config, { groups: ['platform', 'web'] })?.value).toBe('web');
    expect(mappingOf(config, { groups: 'platform' })?.roles).toEqual(['admin']);
  });

  it.each([
    ['absent', {}],
    ['empty', { groups: [] }],
    ['another case', { groups: ['Web'] }],
    ['a part of a value', { groups: ['web,platform'] }],
    ['a list in a list', { groups: [['web']] }],
    ['a mapping', { groups: { web: true } }],
    ['of another name', { roles: ['web'] }],
  ])('lets nobody in where the claim is %s', (_title, claims) => {
    expect(mappingOf(config, claims)).toBeUndefined();
  });

  it('lets nobody in by what every object has', () => {
    expect(mappingOf({ ...config, rolesClaim: 'constructor' }, {})).toBeUndefined();
  });

  it('is looked up anew while a session lasts, and gone with the provider or the value', () => {
    const { issuer } = config;
    expect(mappingNow(config, { issuer, value: 'web' })?.selector).toBe('team=web');
    expect(mappingNow(config, { issuer, value: 'former' })).toBeUndefined();
    expect(mappingNow(config, { issuer: 'https://other.example', value: 'web' })).toBeUndefined();
    expect(mappingNow(undefined, { issuer, value: 'web' })).toBeUndefined();
  });
});
