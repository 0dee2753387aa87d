import { describe, expect, it } from '@jest/globals';
import { parseGlob, printGlob } from './glob.js';
import { resolvedPattern } from './resolve.js';

/** /bin and /sbin are links to folders in /usr, and two files are links. */
function resolve(path: string): readonly string[] {
  if (/^\/s?bin(\/|$)/.test(path)) return [path, `/usr${path}`];
  if (path === '/etc/resolv.conf') return [path, '/run/resolve/stub.conf'];
  return path === '/srv/all' ? [path, '/'] : [path];
}

function resolved(pattern: string): readonly string[] {
  return resolvedPattern(parseGlob(pattern), resolve).map(printGlob);
}

const names = (count: number): string =>
  Array.from({ length: count }, (_, at) => `n${at}`).join(',');

describe('a pattern where links lead elsewhere', () => {
  it.each([
    ['its folder', '/bin/x*', ['/bin/x*', '/usr/bin/x*']],
    ['no folder of a link', '/usr/{,local/}bin/x?', ['/usr/{,local/}bin/x?']],
    ['a folder in braces', '/{bin,opt}/nc', ['/{bin,opt}/nc', '/usr/bin/nc']],
    ['one folder twice', '/{bin,{,s}bin}/y', ['/{bin,{,s}bin}/y', '/usr/bin/y', '/usr/sbin/y']],
    ['what it does not name yet', '/{,usr/}{,s}bin/nc', ['/{,usr/}{,s}bin/nc']],
    ['a file', '/etc/resolv.conf', ['/etc/resolv.conf', '/run/resolve/stub.conf']],
    [
      'a file in braces',
      '/etc/{resolv.conf,hosts}',
      ['/etc/{resolv.conf,hosts}', '/run/resolve/stub.conf'],
    ],
    ['no file that a wildcard follows', '/etc/resolv.conf*', ['/etc/resolv.conf*']],
    ['the root by a link', '/srv/all', ['/srv/all', '/']],
    ['below the root by a link', '/srv/all/x?', ['/srv/all/x?', '/x?']],
    ['a folder with its slash', '/bin/', ['/bin/', '/usr/bin/']],
    ['braces behind a wildcard', '/*/{bin,sbin}/x', ['/*/{bin,sbin}/x']],
    ['everything', '/**', ['/**']],
  ])('is written for %s too', (_, pattern, expected) => {
    expect(resolved(pattern)).toEqual(expected);
  });

  it('is taken apart no further than into a few, from the left', () => {
    const pattern = `/{,s}bin/{${names(20)}}`;
    expect(resolved(pattern)).toEqual([
      pattern,
      `/usr/bin/{${names(20)}}`,
      `/usr/sbin/{${names(20)}}`,
    ]);
    expect(resolved(`/${'{bin,{b,c}}'.repeat(300)}/x`)).toHaveLength(1);
  });
});
