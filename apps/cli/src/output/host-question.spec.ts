import { describe, expect, it } from '@jest/globals';
import type { Alert } from '#contracts';
import { hostQuestion } from './host-question.js';

const alert = {
  Enforcer: 'BPFLSM',
  Source: '/usr/bin/cat',
  Resource: '/etc/shadow',
  Data: 'operation=open requested=r denied=r profile=hostward',
} as Alert;

describe('the question to a host about an alert', () => {
  it('asks its table for the program, the object and the operation', () => {
    expect(hostQuestion(alert)).toBe(
      'hostward-sensor explain --program /usr/bin/cat --path /etc/shadow --operation read',
    );
  });

  it('leaves the program out where only its name is known', () => {
    const exec = { ...alert, Source: 'cat', Data: 'operation=exec requested=x denied=x' };
    expect(hostQuestion(exec)).toBe('hostward-sensor explain --path /etc/shadow --operation exec');
  });

  it('says where the program had a terminal, which rules may ask for', () => {
    expect(hostQuestion({ ...alert, TTY: 'pts0' })).toContain('/usr/bin/cat --terminal --path');
  });

  it('asks about a name of DNS', () => {
    const query = {
      ...{ ...alert, Resource: 'domain=www.evil.example' },
      Data: 'operation=query requested=q denied=q profile=hostward',
    };
    expect(hostQuestion(query)).toBe(
      'hostward-sensor explain --program /usr/bin/cat --domain www.evil.example',
    );
  });

  it('quotes what a shell would read', () => {
    const Resource = "/tmp/it's $(here)";
    expect(hostQuestion({ ...alert, Resource })).toContain(` --path '/tmp/it'\\''s $(here)' `);
  });

  it.each<[string, Partial<Alert>]>([
    ['judged by AppArmor', { Enforcer: 'AppArmor' }],
    ['about a socket', { Resource: 'family=inet protocol=ICMP type=SOCK_RAW' }],
    ['without an operation', { Data: 'event=lost' }],
  ])('is none where it was %s', (_, change) => {
    expect(hostQuestion({ ...alert, ...change })).toBeUndefined();
  });
});
