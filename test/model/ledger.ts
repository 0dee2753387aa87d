import type { Model, Step } from './explore.js';

const NOT_ONCE = 'store and etcd do not tell each change once, in one chain';

/** Mistakes that a ledger could make, and as what each must be found by the exploration. */
export const LEDGER_MISTAKES = {
  'write a change and its entry one after the other': NOT_ONCE,
  'move the head without looking whether it moved': NOT_ONCE,
  'commit before the entry before is stored': NOT_ONCE,
  'keep nothing in etcd of what the disk may lack': NOT_ONCE,
  'take what is in the store after a start for synced': NOT_ONCE,
  'send again what was not answered, whatever the head is by then': NOT_ONCE,
} as const;
export type LedgerMistake = keyof typeof LEDGER_MISTAKES;

/** Sizes of an exploration. */
export interface LedgerBounds {
  readonly changes: number;
  readonly faults: number;
}

/** A change has the number of its entry; 0: before the first. */
type Entry = number;

/** A process that commits; two of them share one store. */
interface Ledger {
  /** Where the head is, as far as it knows. */
  readonly end: Entry | undefined;
  /** Of what etcd holds, what the store lacks. */
  readonly unstored: readonly Entry[];
  /** What it has stored and not synced. */
  readonly unsynced: readonly Entry[];
  /** Others may have stored what is not synced. */
  readonly doubts: boolean;
  /** What etcd did not answer, or has not been told yet. */
  readonly sent: Sent | undefined;
}

interface Sent {
  readonly change: Entry;
  readonly end: Entry;
  readonly tail: readonly Entry[];
}

/** One moment of etcd, of the store, and of those who write both. */
export interface LedgerState {
  /** What was changed, in this order. */
  readonly changes: readonly Entry[];
  /** Tail and head. */
  readonly inEtcd: readonly Entry[];
  readonly stored: readonly Entry[];
  /** How many of the stored ones a power cut does not take. */
  readonly synced: number;
  readonly ledgers: readonly [Ledger, Ledger];
  readonly nextChange: Entry;
  /** Faults that may still happen. */
  readonly faults: number;
}

const STARTED: Ledger = {
  ...{ end: undefined, unstored: [], unsynced: [], doubts: false, sent: undefined },
};

/** The audit log beside the changes that it tells, of that many changes and faults, and with one mistake in it. */
export function ledgerModel(
  { changes, faults }: LedgerBounds,
  mistake?: LedgerMistake,
): Model<LedgerState> {
  const first: LedgerState = {
    ...{ changes: [], inEtcd: [], stored: [], synced: 0 },
    ...{ ledgers: [STARTED, STARTED], nextChange: 1, faults },
  };
  return {
    first,
    keyOf: (state) =>
      JSON.stringify({ ...state, ledgers: state.ledgers.map((one) => JSON.stringify(one)).sort() }),
    steps: (state) => [
      ...([0, 1] as const).flatMap((index) => ledgerSteps(state, index, changes, mistake)),
      ...(state.faults > 0 ? faultsOf({ ...state, faults: state.faults - 1 }, changes) : []),
    ],
    brokenBy: (_before, { changes: told, stored, inEtcd }) =>
      [...new Set([...stored, ...inEtcd])].join() === told.join() ? undefined : NOT_ONCE,
    brokenAtRest: ({ changes: told, stored }) =>
      stored.join() === told.join() ? undefined : 'at rest a change is not in the store',
  };
}

type LedgerStep = Step<LedgerState>;
type With = (changed: Partial<Ledger>, rest?: Partial<LedgerState>) => LedgerState;

function withLedger(state: LedgerState, index: 0 | 1): With {
  return (changed, rest = {}) => {
    const ledgers: [Ledger, Ledger] = [...state.ledgers];
    ledgers[index] = { ...ledgers[index], ...changed };
    return { ...state, ...rest, ledgers };
  };
}

function ledgerSteps(
  state: LedgerState,
  index: 0 | 1,
  most: number,
  mistake?: LedgerMistake,
): LedgerStep[] {
  const { inEtcd, stored } = state;
  const one = state.ledgers[index];
  const with_ = withLedger(state, index);
  const step = (what: string, next: LedgerState, system = true): LedgerStep => ({
    ...{ name: `ledger ${index + 1} ${what}`, system, next },
  });
  if (one.sent) return [step('sends again', again(state, one.sent, with_, mistake))];
  const all: LedgerStep[] = [];
  if (one.end === undefined) {
    const unstored = inEtcd.filter((entry) => !stored.includes(entry));
    const doubts = mistake !== 'take what is in the store after a start for synced';
    all.push(step('reads the head', with_({ end: headOf(state), unstored, doubts })));
  }
  const [entry, ...unstored] = one.unstored;
  if (entry !== undefined) {
    const kept = stored.includes(entry) ? stored : [...stored, entry];
    const unsynced = [...one.unsynced, entry];
    all.push(step('stores an entry', with_({ unstored, unsynced }, { stored: kept })));
  }
  if (one.unsynced.length > 0 || one.doubts)
    all.push(step('syncs', with_({ unsynced: [], doubts: false }, { synced: stored.length })));
  const sent = due(state, one, most, mistake);
  if (sent) all.push(step('commits', commit(state, sent, with_, mistake), false));
  return all;
}

const headOf = ({ inEtcd }: LedgerState): Entry => inEtcd.at(-1) ?? 0;

/** What is written next, where something may be. */
function due(
  { nextChange }: LedgerState,
  { end, unstored, unsynced, doubts, sent }: Ledger,
  most: number,
  mistake?: LedgerMistake,
): Sent | undefined {
  const isStored = unstored.length === 0 || mistake === 'commit before the entry before is stored';
  if (nextChange > most || end === undefined || sent || doubts || !isStored) return undefined;
  const tail = mistake === 'keep nothing in etcd of what the disk may lack' ? [] : unsynced;
  return { change: nextChange, end, tail };
}

/** One transaction, under the condition that the head is where it was. */
function commit(state: LedgerState, sent: Sent, with_: With, mistake?: LedgerMistake): LedgerState {
  const looks = mistake !== 'move the head without looking whether it moved';
  if (looks && headOf(state) !== sent.end) return with_({ end: undefined, sent: undefined });
  return with_(
    { end: sent.change, unstored: [sent.change], sent: undefined },
    written(state, sent, mistake),
  );
}

function written(
  { changes, inEtcd, nextChange }: LedgerState,
  { change, tail }: Sent,
  mistake?: LedgerMistake,
): Partial<LedgerState> {
  const isApart = mistake === 'write a change and its entry one after the other';
  return {
    changes: [...changes, change],
    inEtcd: isApart ? inEtcd : [...tail, change],
    nextChange: Math.max(nextChange, change + 1),
  };
}

function again(state: LedgerState, sent: Sent, with_: With, mistake?: LedgerMistake): LedgerState {
  const isAsItIs = mistake !== 'send again what was not answered, whatever the head is by then';
  return commit(state, isAsItIs ? sent : { ...sent, end: headOf(state) }, with_, mistake);
}

function faultsOf(state: LedgerState, most: number): LedgerStep[] {
  const fault = (name: string, next: LedgerState): LedgerStep => ({ name, system: false, next });
  const all = ([0, 1] as const).flatMap((index) => {
    const one = state.ledgers[index];
    const with_ = withLedger(state, index);
    const dead = fault(`ledger ${index + 1} dies`, with_(STARTED));
    const sent = due(state, one, most);
    if (!sent) return [dead];
    const isFirst = headOf(state) === sent.end;
    const heard = isFirst ? written(state, sent) : {};
    return [
      dead,
      fault(`ledger ${index + 1} is not heard`, with_({ sent })),
      fault(`ledger ${index + 1} is not answered`, with_({ sent }, heard)),
    ];
  });
  const left = {
    stored: state.stored.slice(0, state.synced),
    ledgers: [STARTED, STARTED] as const,
  };
  return [...all, fault('the power is cut', { ...state, ...left })];
}
