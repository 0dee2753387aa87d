import { describe, expect, it } from '@jest/globals';
import { FaultTally, LackingHere } from './fault-tally.js';
import { Programs } from './programs.js';

describe('the tally of faults', () => {
  it('counts as done what was done, kind by kind', () => {
    const tally = new FaultTally();
    for (const kind of ['kill', 'kill', 'cut'] as const) tally.planned(kind);
    tally.done('kill');
    tally.notDone('kill', new Error('nobody runs'));
    tally.done('cut');
    expect(tally.words).toBe('2 of 3 faults done (1/2 kill, 1/1 cut)');
    expect(tally.neverDone).toEqual([]);
  });

  it('tells of a kind that was planned several times and never done', () => {
    const tally = new FaultTally();
    for (let times = 0; times < 5; times += 1) {
      tally.planned('kill');
      tally.notDone('kill', new Error('nobody runs'));
    }
    expect(tally.neverDone).toEqual(['kill: 5 planned, none done']);
    tally.done('kill');
    expect(tally.neverDone).toEqual([]);
  });

  it('tells of a kind that was not done either when nothing stood in its way', () => {
    const tally = new FaultTally();
    for (const kind of ['compact', 'kill', 'set-clock'] as const) {
      tally.planned(kind);
      tally.notDone(kind, new Error('not now'));
    }
    tally.notDone('set-clock', new LackingHere('libfaketime is not installed'));
    const kinds = ['compact', 'kill', 'set-clock', 'cut'] as const;
    expect(kinds.filter((kind) => tally.isMissing(kind))).toEqual(['compact', 'kill']);
    expect(tally.neverDone).toEqual([]);
    tally.triedAgain('compact');
    tally.planned('compact');
    tally.triedAgain('kill');
    tally.done('kill');
    expect(tally.neverDone).toEqual(['compact: 2 planned, none done']);
    expect(tally.words).toContain('(0/2 compact, 1/1 kill, 0/1 set-clock)');
  });

  it('says what the machine lacks, and does not call it a failure', () => {
    const tally = new FaultTally();
    for (let times = 0; times < 5; times += 1) {
      tally.planned('set-clock');
      tally.notDone('set-clock', new LackingHere('libfaketime is not installed'));
    }
    expect(tally.neverDone).toEqual([]);
    expect(tally.words).toContain('NOT POSSIBLE HERE: set-clock (libfaketime is not installed)');
  });

  it('is told that nobody was there to be killed', () => {
    expect(() => new Programs().signal('replica', 'SIGKILL')).toThrow('replica does not run');
  });
});
