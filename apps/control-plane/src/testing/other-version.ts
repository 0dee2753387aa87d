import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { Trust } from '../config/trust.js';

/**
 * For tests only: a control plane that renders otherwise, as one of another version may. Its bundles are of other bytes,
 * which every host opens all the same. Nothing of the product leads here. Usage: as main.
 */
const shipped = Object.getOwnPropertyDescriptor(Trust.prototype, 'epochSecret');
Object.defineProperty(Trust.prototype, 'epochSecret', {
  get(this: Trust): Buffer {
    const secret = shipped?.get?.call(this) as Buffer;
    return createHash('sha256').update(secret).digest();
  },
});
await import('../main.js');
