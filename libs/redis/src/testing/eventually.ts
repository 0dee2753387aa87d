import type { HostwardRedisTransport } from '../hostward-redis.transport.js';

const STEP_MS = 10;

/** For tests: waits until the condition holds; fails with `what` at the deadline. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 180_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}

/** For tests: `listen` as a promise. */
export async function listen(transport: HostwardRedisTransport): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  await transport.listen((error) => {
    if (error instanceof Error) reject(error);
    else resolve();
  });
  await promise;
}
