import type { Delivered, Fetched, Order, Report, State } from './state.js';

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
  const { fetched, staged, applied, lastGood, seen, sequence, ...hostRest } = host;
  const orders = [...replicas.flatMap(({ sealed, board, lost }) => [sealed, board, lost])]
    .concat([redis, recorded, staged, applied, lastGood, ...fetched])
    .map((delivered) => delivered?.order)
    .concat([seen, ...[inbox, status, recordedReport].flatMap((of) => [of?.order, of?.seen])])
    .filter((order) => order !== undefined);
  // Times of two generations are never compared.
  const times = new Map(
    Map.groupBy(orders, generationOf)
      .entries()
      .map(([generation, alike]) => [generation, ranks(alike.map(([, , time]) => time))]),
  );
  const sequences = ranks(
    [inbox, status, recordedReport]
      .flatMap((report) => (report ? [report.sequence] : []))
      .concat(sequence),
  );
  const order = (of: Order): string =>
    `${generationOf(of)}.${times.get(generationOf(of))?.get(of[2])}`;
  const delivered = (of: Delivered | undefined): string =>
    of ? `${order(of.order)}=${of.content}${of.signed ? '' : '!'}` : '';
  const report = (of: Report | undefined): string =>
    of
      ? `${sequences.get(of.sequence)}:${order(of.order)}.${order(of.seen)}${of.fellBack}${of.proved}`
      : '';
  return JSON.stringify([
    rest,
    hostRest,
    replicas
      .map(({ generation, content, markerGone, gone, ...replica }) =>
        [
          ...[generation, content, markerGone, gone],
          ...[replica.board, replica.lost, replica.sealed].map(delivered),
        ].join(),
      )
      .sort(),
    [redis, recorded, staged, applied, lastGood].map(delivered),
    fetched.map((one: Fetched) => `${delivered(one)}${one.seenBefore?.join() ?? ''}`),
    [inbox, status, recordedReport].map(report),
    [order(seen), sequences.get(sequence)],
  ]);
}

const generationOf = ([epoch, generation]: Order): string => `${epoch}.${generation}`;

function ranks(values: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return new Map(sorted.map((value, index) => [value, index]));
}
