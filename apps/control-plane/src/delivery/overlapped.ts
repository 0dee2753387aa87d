/**
 * What `work` gives for all parts, two at a time: one is made ready while the channel takes the other. After a failure
 * none is begun, and it is thrown when nothing is on its way any more.
 */
export async function overlapped<T, R>(
  parts: Iterable<T>,
  work: (part: T) => Promise<readonly R[]>,
): Promise<R[]> {
  const waiting = parts[Symbol.iterator]();
  const all: R[] = [];
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    try {
      for (let next = waiting.next(); !next.done && !hasFailed; next = waiting.next())
        all.push(...(await work(next.value)));
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  const ends = await Promise.allSettled([worker(), worker()]);
  const failed = ends.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return all;
}
