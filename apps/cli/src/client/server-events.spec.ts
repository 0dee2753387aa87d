import { describe, expect, it } from '@jest/globals';
import { readEvents } from './server-events.js';

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield new TextEncoder().encode(part);
  }
}

describe('reading server-sent events', () => {
  it('joins an event that arrives in pieces, with its id', async () => {
    const events = await Array.fromAsync(readEvents(chunks('id: 7\nda', 'ta: {"a":1}\n', '\n')));
    expect(events).toEqual([{ id: '7', event: 'message', data: '{"a":1}' }]);
  });

  it('drops comments and keeps several data lines', async () => {
    const events = await Array.fromAsync(
      readEvents(chunks(': ping\n\ndata: a\ndata: b\nevent: x\n\n')),
    );
    expect(events).toEqual([{ id: undefined, event: 'x', data: 'a\nb' }]);
  });

  it('does not yield an event that was cut before its empty line', async () => {
    expect(await Array.fromAsync(readEvents(chunks('data: half')))).toEqual([]);
  });
});
