import type { Delivered, Order, Report, State } from './state.js';

/**
 * One name for all states that differ only in what no step can tell apart: which of the replicas is which, and by how
 * much a time or a sequence is greater than another.
 */
export function canonicalKey(state: State): string {
  const {
    clock: _clock,
    replicas,
    redis,
    recorded,
    recordedReport,
    inbox,
    status,
    host,
    ...rest
  } = state;
  const { staged, applied, lastGood, seen, sequence, ...hostRest } = host;
  const times = ranks(
    [...replicas.map(({ sealed }) => sealed), redis, recorded, staged, applied, lastGood]
      .map((delivered) => delivered?.order)
      .concat([seen, inbox?.order, status?.order, recordedReport?.order])
      .flatMap((order) => (order ? [order[2]] : [])),
  );
  const sequences = ranks(
    [inbox, status, recordedReport]
      .flatMap((report) => (report ? [report.sequence] : []))
      .concat(sequence),
  );
  const order = (of: Order): string => `${of[0]}.${of[1]}.${times.get(of[2])}`;
  const delivered = (of: Delivered | undefined): string =>
    of ? `${order(of.order)}=${of.content}${of.signed ? '' : '!'}` : '';
  const report = (of: Report | undefined): string =>
    of ? `${sequences.get(of.sequence)}:${order(of.order)}${of.fellBack}${of.proved}` : '';
  return JSON.stringify([
    rest,
    hostRest,
    replicas
      .map(({ generation, content, board, sealed, markerGone }) =>
        [generation, content, board, delivered(sealed), markerGone].join(),
      )
      .sort(),
    [redis, recorded, staged, applied, lastGood].map(delivered),
    [inbox, status, recordedReport].map(report),
    [order(seen), sequences.get(sequence)],
  ]);
}

function ranks(values: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return new Map(sorted.map((value, index) => [value, index]));
}
