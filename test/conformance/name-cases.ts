import { type Case, from, type Group } from './case.js';

const NO_NAMES = 'AppArmor sees no names in queries to DNS: the rule is unsupported';

/** Ways to ask: `by name`, as support/act.py has them. */
const WAYS = ['udp', 'connected', 'udp6', 'tcp', 'tcp6', 'split', 'second', 'shouted', 'edns'];

const denied = (object: string, as?: string): Case => ({
  ...{ op: 'query', object, expect: 'denied', unlike: { apparmor: NO_NAMES } },
  ...(as === undefined ? {} : { as }),
});
const allowed = (object: string, as?: string): Case => ({
  ...{ op: 'query', object, expect: 'allowed' },
  ...(as === undefined ? {} : { as }),
});

/** What rules about names that are asked of DNS mean. */
export const NAME_GROUPS: readonly Group[] = [
  {
    name: 'names',
    policies: [
      ...[
        { action: 'Block', network: { matchDNSQueries: [{ domain: 'evil.example' }] } },
        {
          network: {
            matchDNSQueries: [
              { domain: 'mixed.example', action: 'Block' },
              { domain: 'ok.mixed.example', action: 'Allow' },
            ],
          },
        },
        {
          action: 'Block',
          network: { matchDNSQueries: [{ domain: 'secret.example', ...from('one') }] },
        },
        { action: 'Audit', network: { matchDNSQueries: [{ domain: 'watched.example' }] } },
      ].map((spec) => ({ spec, unsupported: ['apparmor'] as const })),
      {
        spec: {
          action: 'Allow',
          network: { matchDNSQueries: [{ domain: 'only.example', ...from('listed') }] },
        },
        annotations: { 'hostward.io/posture': 'block' },
        unsupported: ['apparmor'],
      },
    ],
    files: [],
    cases: [
      ...WAYS.flatMap((way) => [
        denied(`${way} evil.example`),
        allowed(`${way} fine.example`),
        denied(`${way} secret.example`, 'one'),
        allowed(`${way} secret.example`, 'two'),
      ]),
      denied('udp www.deep.evil.example'),
      denied('tcp www.deep.evil.example'),
      denied(`udp ${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.evil.example`),
      allowed('udp notevil.example'),
      allowed('udp evil.example.org'),
      allowed('udp example'),
      allowed('udp .'),
      denied('udp mixed.example'),
      denied('udp www.mixed.example'),
      allowed('udp ok.mixed.example'),
      allowed('udp www.ok.mixed.example'),
      allowed('udp watched.example'),
      allowed('udp only.example', 'listed'),
      allowed('udp www.only.example', 'listed'),
      denied('udp other.example', 'listed'),
      denied('tcp other.example', 'listed'),
      ...['cut', 'pointer', 'two', 'none'].map((way) => denied(`${way} fine.example`)),
      allowed('answer evil.example'),
      allowed('elsewhere evil.example'),
    ],
  },
];
