import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { findingText } from '#contracts';
import { parseFinding } from './finding.js';

const LINE =
  '{"check":"clock","verdict":"failed","cause":"two \\"days\\" off","remedy":"timedatectl"}';

describe('findings of preflight.sh', () => {
  it('are shown with cause and remedy', () => {
    expect(findingText(parseFinding(LINE))).toBe(
      'FAILED  clock: two "days" off\n        remedy: timedatectl\n',
    );
  });

  it.each(['null', '{"check":"clock"}', LINE.replace('failed', 'fine')])(
    '%s is no finding',
    (line) => {
      expect(() => parseFinding(line)).toThrow('is no finding');
    },
  );

  it('are what the script prints here, one a line, each name once', () => {
    const printed = runsAnyhow(['tools/host/preflight.sh', '--url', 'https://127.0.0.1:1']);
    const names = printed
      .trim()
      .split('\n')
      .map((line) => parseFinding(line).check);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['lsm', 'systemd', 'writable', 'route', 'clock']));
  });

  it.each(['http://x', 'https://', 'https://a$(id):1', 'https://a:b', 'https://-o:1'])(
    '--url %s is refused before anything runs',
    (url) => {
      const call = () =>
        execFileSync('sh', ['tools/host/preflight.sh', '--url', url], { stdio: 'pipe' });
      expect(call).toThrow(expect.objectContaining({ status: 2 }));
    },
  );

  it('a script that was cut does nothing', () => {
    const whole = execFileSync('cat', ['tools/host/preflight.sh'], { encoding: 'utf8' });
    const cut = whole.slice(0, whole.lastIndexOf('main "$@"'));
    expect(execFileSync('sh', ['-s'], { input: cut, encoding: 'utf8' })).toBe('');
  });
});

/** What it prints, whatever it thinks of this machine. */
function runsAnyhow(args: readonly string[]): string {
  try {
    return execFileSync('sh', args, { encoding: 'utf8' });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}
