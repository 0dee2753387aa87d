import { describe, expect, it } from '@jest/globals';
import { parseFacts } from './probe.js';
import { parsePreflight } from './preflight.js';

const line = (check: string, verdict: string, remedy = 'do it'): string =>
  JSON.stringify({ check, verdict, cause: `of ${check}`, remedy });

describe('what a host was found to lack', () => {
  it('becomes causes with its own remedies, in order, and warnings', () => {
    const said = [line('systemd', 'failed'), line('btf', 'warning'), line('clock', 'failed', '')];
    const { failures, warnings } = parsePreflight(said.join('\n'), 'auto');
    expect(failures.map(({ code, message, remedy }) => [code, message, remedy])).toEqual([
      ['no-systemd', 'of systemd', 'do it'],
      ['clock-skew', 'of clock', expect.stringContaining('set-ntp')],
    ]);
    expect(warnings).toEqual(['btf: of btf']);
  });

  it('is no LSM only where one is to enforce', () => {
    const said = line('lsm', 'failed');
    expect(parsePreflight(said, 'bpf').failures).toHaveLength(1);
    expect(parsePreflight(said, 'observe').failures).toEqual([]);
  });

  it.each(['', 'Last login: today', '{"check":"x"}', '[]', 'null', '{"check":1,"verdict":"ok"}'])(
    'is not read out of %j',
    (said) => expect(() => parsePreflight(said, 'auto')).toThrow(/does not answer as a host/),
  );
});

describe('what a host says of itself', () => {
  it('is read line by line, and a node id only where it is one', () => {
    const said = 'machine=x86_64\nhostname=web=1\ndpkg=yes\nrunning=no\nnode_id=../../etc\n';
    expect(parseFacts(said)).toEqual({
      ...{ machine: 'x86_64', hostname: 'web=1', dpkg: true, running: false },
      ...{ nodeId: undefined, kept: undefined, installed: false },
    });
  });

  it('is refused where it is something else', () => {
    expect(() => parseFacts('This account is not available.\n')).toThrow(
      /does not answer as a host/,
    );
  });
});
