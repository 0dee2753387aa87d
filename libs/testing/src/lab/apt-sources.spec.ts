import { describe, expect, it } from '@jest/globals';

import { debian13Only, forRelease, networkOptions } from './apt-sources.js';

describe('apt origin of the lab image', () => {
  it('keeps network stanzas of Debian 13 and drops local, other and disabled ones', () => {
    const good =
      'Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main';
    const local = 'Types: deb\nURIs: file:/srv/packages\nSuites: ./\nTrusted: yes';
    const other = good.replace(/trixie/g, 'noble');
    expect(debian13Only([good, local, other, `${good}\nEnabled: no`].join('\n\n'))).toBe(
      `${good}\n`,
    );
    expect(debian13Only(local)).toBe('');
  });

  it('keeps one-line entries of Debian 13', () => {
    const good = 'deb [signed-by=/k.gpg] https://mirror.example/debian trixie main';
    expect(debian13Only(`# note\n${good}\ndeb http://mirror.example/debian bookworm main\n`)).toBe(
      `${good}\n`,
    );
  });

  it('names the suites of another release, with their suffixes, and leaves the mirror as it is', () => {
    const text =
      'URIs: http://mirror.example/debian\nSuites: trixie trixie-updates trixie-security\n';
    expect(forRelease(text, 'bookworm')).toBe(
      'URIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates bookworm-security\n',
    );
  });

  it('takes proxy and date options over, and nothing that is empty', () => {
    const dump =
      'Acquire::http::Proxy "http://p:1";\nAcquire::https "";\nAPT::Sandbox "x";\nAcquire::Check-Date "false";';
    expect(networkOptions(dump)).toEqual([
      'Acquire::http::Proxy "http://p:1";',
      'Acquire::Check-Date "false";',
    ]);
  });
});
