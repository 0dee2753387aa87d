import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { attachedTo, readAttachments } from './attachments.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostward-attachments-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, content: string): void {
  const name = join(root, 'etc/apparmor.d', path);
  mkdirSync(dirname(name), { recursive: true });
  writeFileSync(name, content);
}

function read(...loaded: string[]): string[] {
  return readAttachments(root, new Set(loaded)).map(({ profile, glob }) => `${profile} ${glob}`);
}

/** Attachments of one file, in which only profiles named a, b, … or by a path are loaded. */
function parsed(content: string, ...more: string[]): string[] {
  file('p', content);
  return read('a', 'b', 'c', '/bin/x', '/bin/y', 'two words', ...more);
}

describe('a profile header', () => {
  it.each([
    ['a name and a path', 'profile a /bin/x flags=(unconfined) {\n  userns,\n}', 'a /bin/x'],
    ['a path', '/bin/x {\n  /z r,\n}', '/bin/x /bin/x'],
    ['the keyword and a path', 'profile /bin/x flags=(complain, audit) {\n}', '/bin/x /bin/x'],
    ['a mode without the word flags', '/bin/x (complain) {\n}', '/bin/x /bin/x'],
    ['quoted words', 'profile "two words" "/opt/My App/app" {\n}', 'two words /opt/My App/app'],
    ['no space after a quote', 'profile a "/bin/x"flags=(complain){\n}', 'a /bin/x'],
    ['several lines', 'profile\n  a # why {\n  /bin/x\n  flags=(audit)\n{\n}', 'a /bin/x'],
    ['a block on one line', 'profile a /bin/x { /z r, }', 'a /bin/x'],
    ['a block without spaces', 'profile a /bin/x {/z r,}', 'a /bin/x'],
    ['an empty block', 'profile a /bin/x {}', 'a /bin/x'],
    ['a brace in a quote', 'profile a "/bin/{x,y}" {\n}', 'a /bin/{x,y}'],
    ['nested braces', 'profile a /{usr/{,s}bin,opt}/x{,-y} {\n}', 'a /{usr/{,s}bin,opt}/x{,-y}'],
    ['an escape and a bracket', 'profile a /bin/\\{[{]x {\n}', 'a /bin/\\{[{]x'],
    [
      'extended attributes',
      'profile a /bin/x xattrs=(user.t="{ \\"" user.u={b,c}) flags=(audit) {\n}',
      'a /bin/x',
    ],
    ['doubled slashes', 'profile a /usr//bin/x {\n}', 'a /usr/bin/x'],
    [
      'other signed statuses before',
      'abi <abi/4.0>,\n$B = true\nalias /q -> /r,\n/bin/x {}',
      '/bin/x /bin/x',
    ],
    ['lines that end as on Windows', 'profile a /bin/x {\r\n  /z r,\r\n}\r\n', 'a /bin/x'],
  ])('with %s is read', (_, content, expected) => {
    // What follows shows that the block ended where it should.
    expect(parsed(`${content}\nprofile b /last {\n}\n`)).toEqual([expected, 'b /last']);
  });

  it.each([
    ['no path', 'profile a {\n}\nprofile c flags=(complain) {\n}'],
    ['a pattern that is no path as its name', 'profile {a,b} {\n}'],
    ['the name of a child', 'profile a//c /bin/x {\n}\n/bin//x {\n}'],
    ['a comment sign before it', '# profile a /bin/x {\n# /bin/x {'],
    ['a name that is not loaded', 'profile other /bin/x {\n}\n/bin/other {\n}'],
    ['a namespace', 'profile :ns:a /bin/x {\n}'],
  ])('with %s attaches to nothing', (_, content) => {
    expect(parsed(`${content}\nprofile b /last {\n}\n`, 'a//c', '/bin//x', '{a,b}')).toEqual([
      'b /last',
    ]);
  });

  it.each([
    'profile c /bin/x {\n    /z r,\n  }',
    '^c {\n    /z r,\n  }\n  hat b { /z r, }',
    '/bin/x {\n    /z r,\n  }',
    'if defined @{X} {\n    /bin/x r,\n  } else {\n  }',
    '/usr/{bin,sbin}/{a,b{c,d}} rPx -> other,\n  "/srv/} {" r,\n  /a/\\{ r,\n  /a/[^}{]b r,',
    'dbus send path="/a{b" peer=(name="c}", label=d),\n  /z r,# it is {\n  /y r, # or }',
    'include <abstractions/base>\n  #include <x{>\n  /srv/{a,#b} r,\n  /srv/a#{b,c} r,',
  ])('is not looked for inside a block, which ends where it should: %j', (rules) => {
    expect(parsed(`profile a /bin/a {\n  ${rules}\n}\nprofile b /last {\n}\n`)).toEqual([
      'a /bin/a',
      'b /last',
    ]);
  });
});

describe('variables in an attachment', () => {
  it('are expanded from the file, one glob for each value', () => {
    const text = [
      '@{bin} = /usr/bin "/opt/my bin" # and not /this',
      '@{bin} += /bin \\',
      '  /sbin',
      '@{exec_path}=@{bin}/x /lib/@{arch}/y',
      '@{arch}=*-linux-gnu',
      'profile a @{exec_path} {\n}',
    ];
    expect(parsed(text.join('\n'))).toEqual([
      'a /usr/bin/x',
      'a /opt/my bin/x',
      'a /bin/x',
      'a /sbin/x',
      'a /lib/*-linux-gnu/y',
    ]);
  });

  it('come from included files and directories', () => {
    file('tunables/global', 'include <tunables/bin>\n#include if exists <tunables/site.d>\n');
    file('tunables/bin', '@{bin}=/bin\n');
    file('tunables/site.d/10-site', '@{bin}+=/site\n');
    file('tunables/site.d/20-site.dpkg-old', '@{bin}+=/old\n');
    file('tunables/site.d/.hidden', '@{bin}+=/hidden\n');
    file('local/p', '@{bin}+=/local\n');
    const includes =
      '#include <tunables/global>\ninclude "local/p"\ninclude if exists <local/none>';
    expect(parsed(`${includes}\nprofile a @{bin}/x {\n}`)).toEqual([
      'a /bin/x',
      'a /site/x',
      'a /local/x',
    ]);
  });

  it('leave a profile out where one is unknown, the others staying', () => {
    expect(parsed('profile a @{none}/x {\n}\nprofile b /y {\n}\n')).toEqual(['b /y']);
  });

  it.each([
    ['that need each other', '@{A}=@{B}\n@{B}=/x @{A}'],
    ['that need themselves', '@{A}=/x @{A}'],
    ['with too many values', `@{B}=${'/b '.repeat(40)}\n@{A}=/x@{B}@{B}`],
    ['that grow too long', `@{C}=/${'c'.repeat(2000)}\n@{B}=@{C}@{C}\n@{A}=@{B}@{B}`],
  ])('%s leave a profile out', (_, variables) => {
    expect(parsed(`${variables}\nprofile a @{A} {\n}\nprofile b /y {\n}\n`)).toEqual(['b /y']);
  });

  it('do not make an exponential amount of work', () => {
    const doubling = Array.from({ length: 30 }, (_, at) => `@{V${at + 1}}=@{V${at}}@{V${at}}`);
    const text = `@{V0}=/a /b\n${doubling.join('\n')}\nprofile a @{V30} {\n}\n`;
    expect(parsed(text)).toEqual([]);
  });

  it('may make the name, several values as an alternation', () => {
    const text = '@{A}=/one/ /two\n@{exec_path}=/bin/x\n@{exec_path} {\n}\nprofile @{A}/p {\n}\n';
    const expected = ['/bin/x /bin/x', '{/one,/two}/p /one/p', '{/one,/two}/p /two/p'];
    expect(parsed(text, '{/one,/two}/p')).toEqual(expected);
    expect(parsed(text, '{/two,/one}/p')).toHaveLength(3);
  });

  it('may begin with a brace', () => {
    expect(parsed('@{A}={/{a,b},/c}/d\nprofile a @{A}/x {\n}\n')).toEqual([
      'a /{a,b}/d/x',
      'a /c/d/x',
    ]);
  });
});

describe('the files of a host', () => {
  it('are read anew where a file changed, though not in length', () => {
    file('p', 'profile a /bin/x {}');
    expect(read('a')).toEqual(['a /bin/x']);
    file('p', 'profile a /bin/y {}');
    expect(read('a')).toEqual(['a /bin/y']);
    rmSync(join(root, 'etc/apparmor.d/p'));
    expect(read('a')).toEqual([]);
  });

  it('are those at the top of apparmor.d and of snapd, without hidden, saved and disabled ones', () => {
    file('one', 'profile a /one {\n}');
    for (const name of ['.b', 'b~', 'b.dpkg-old', 'b.rpmsave', 'local/b', 'off']) {
      file(name, 'profile b /no {\n}');
    }
    mkdirSync(join(root, 'etc/apparmor.d/disable'));
    symlinkSync('/etc/apparmor.d/off', join(root, 'etc/apparmor.d/disable/off'));
    file('../../var/lib/snapd/apparmor/profiles/snap-confine', '/snap/1/c (audit) {\n}');
    expect(read('a', 'b', '/snap/1/c')).toEqual(['a /one', '/snap/1/c /snap/1/c']);
  });

  it('may include each other in a circle, and profiles', () => {
    file('one', 'include <two>\nprofile a /one {\n}');
    file('two', 'include <one>\ninclude <two>\nprofile b /two {\n}');
    expect(read('a', 'b').sort()).toEqual(['a /one', 'b /two']);
  });

  it('are not included from elsewhere', () => {
    writeFileSync(join(root, 'v'), '@{A}=/x\n');
    const text = 'include <../../v>\ninclude "/v"\nprofile a @{A} {\n}\n';
    expect(parsed(text)).toEqual([]);
  });

  it('are skipped where they are too large, unreadable or broken, the others staying', () => {
    file('big', `profile b /no {\n}\n${'#'.repeat(1024 * 1024)}`);
    file('broken', 'profile b "/no { { {\n@{\n"');
    file('binary', '\0\x01{{{"\\');
    symlinkSync('nowhere', join(root, 'etc/apparmor.d/dangling'));
    symlinkSync('loop', join(root, 'etc/apparmor.d/loop'));
    file('one', 'profile a /one {\n}');
    expect(read('a', 'b')).toEqual(['a /one']);
  });

  it('may be missing altogether', () => {
    expect(read('a')).toEqual([]);
  });

  it('give no more than 10,000 attachments, each once', () => {
    const header = (at: number): string => `profile a /p${at} {\n}\n`;
    file('many', Array.from({ length: 10_050 }, (_, at) => header(at >> 1)).join(''));
    expect(read('a')).toHaveLength(5025);
    file('more', Array.from({ length: 9000 }, (_, at) => `profile a /q${at} {\n}\n`).join(''));
    expect(read('a')).toHaveLength(10_000);
  });
});

describe('the profile of a program', () => {
  const at = (profile: string, glob: string) => ({ profile, glob });

  it('is that whose glob matches', () => {
    const list = [at('a', '/usr/{bin,sbin}/x'), at('b', '/usr/lib/*-linux-gnu*/y')];
    expect(attachedTo(list, '/usr/sbin/x')).toEqual(['a']);
    expect(attachedTo(list, '/usr/lib/x86_64-linux-gnu/y')).toEqual(['b']);
    expect(attachedTo(list, '/usr/lib/x')).toEqual([]);
    expect(attachedTo([], '/usr/lib/x')).toEqual([]);
  });

  it('is the most specific: an exact path, then the longest text before a wildcard', () => {
    const list = [
      at('all', '/**'),
      at('bin', '/usr/bin/*'),
      at('p', '/usr/bin/p*'),
      at('exact', '/{usr/,}bin/{perl,python}'),
    ];
    expect(attachedTo(list, '/usr/bin/perl')).toEqual(['exact']);
    expect(attachedTo(list, '/usr/bin/php')).toEqual(['p']);
    expect(attachedTo(list, '/usr/bin/awk')).toEqual(['bin']);
    expect(attachedTo(list, '/opt/awk')).toEqual(['all']);
  });

  it('is weighed by the alternative that matches', () => {
    const list = [at('a', '/{usr/bin/*,**}'), at('b', '/usr/*/x')];
    expect(attachedTo(list, '/usr/bin/x')).toEqual(['a']);
    expect(attachedTo(list, '/usr/lib/x')).toEqual(['b']);
  });

  it('is each of those that tie, once', () => {
    const list = [at('a', '/usr/bin/x'), at('a', '/usr/bin/{x,y}'), at('b', '/usr/{bin,lib}/x')];
    expect(attachedTo(list, '/usr/bin/x')).toEqual(['a', 'b']);
  });

  it('is found without the globs that cannot be read, and with many alternatives', () => {
    const many = '{a,b,c,d}'.repeat(7);
    const list = [at('bad', '/usr/bin/{x}'), at('bad', 'x'), at('a', `/usr/${many}`)];
    expect(attachedTo(list, '/usr/bin/x')).toEqual([]);
    expect(attachedTo(list, '/usr/abcdabc')).toEqual(['a']);
  });
});
