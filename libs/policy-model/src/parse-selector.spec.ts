import { describe, expect, it } from '@jest/globals';
import { parseSelector, SelectorSyntaxError } from './index.js';

describe('parseSelector', () => {
  it('reads all forms of a requirement', () => {
    expect(
      parseSelector('env=prod,tier in (web, db),!old,team,zone!=a, rack notin (r1) ,x==y'),
    ).toEqual({
      matchLabels: { env: 'prod', x: 'y' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['web', 'db'] },
        { key: 'old', operator: 'DoesNotExist' },
        { key: 'team', operator: 'Exists' },
        { key: 'zone', operator: 'NotIn', values: ['a'] },
        { key: 'rack', operator: 'NotIn', values: ['r1'] },
      ],
    });
  });

  it('reads prefixed keys, host names and empty values', () => {
    expect(parseSelector('kubearmor.io/hostnamereg=web-*,hostward.io/group=web,a=')).toEqual({
      matchLabels: { 'kubearmor.io/hostnamereg': 'web-*', 'hostward.io/group': 'web', a: '' },
    });
  });

  it.each([
    ['', 'it is empty'],
    ['  ', 'it is empty'],
    ['a=b,', 'column 5: a requirement is empty'],
    ['a=b,,c', 'column 5: a requirement is empty'],
    ['a in (x', 'column 8: a parenthesis is not closed'],
    ['a in x)', 'column 7: a parenthesis closes that none opened'],
    ['a=b,env=prod,env=dev', 'column 14: no host has env twice'],
    ['a=b, =x', 'column 6: "=x" is no label key'],
    ['a b', '"a b" is no label key'],
    ['../x=1', '"../x" is no label key'],
    ['env=pr od', '"env=pr od" is no label key'],
    ['env=-x', '"-x" is no label value'],
    ['a in ()', undefined],
  ])('says of %j what is wrong and where', (text, problem) => {
    if (problem === undefined) return expect(parseSelector(text)).toBeDefined();
    expect(() => parseSelector(text)).toThrow(SelectorSyntaxError);
    expect(() => parseSelector(text)).toThrow(problem);
  });

  it('names the remedy in every error', () => {
    expect(() => parseSelector('env=a,env=b')).toThrow('write env in (a,b) if either will do');
    expect(() => parseSelector('')).toThrow('to select every host say --all-hosts');
  });
});
