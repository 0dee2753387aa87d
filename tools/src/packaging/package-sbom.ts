import { createHash } from 'node:crypto';
import type { Bom } from '../supply/bom.js';

/**
 * The SBOM as it goes into packages: with the version and the time of the build, and a serial number made of what it
 * lists, so that the same build says the same.
 */
export function packageSbom(bom: Bom, version: string, epoch: number): string {
  const { component, ...metadata } = bom.metadata;
  const timestamp = new Date(epoch * 1000).toISOString();
  const settled = {
    ...bom,
    metadata: { ...metadata, timestamp, component: { ...component, version } },
    serialNumber: undefined,
  };
  const digest = createHash('sha256').update(JSON.stringify(settled)).digest('hex');
  return `${JSON.stringify({ ...settled, serialNumber: `urn:uuid:${uuidOf(digest)}` }, null, 2)}\n`;
}

/** A UUID of version 8 (RFC 9562): its bits are a digest's. */
function uuidOf(hex: string): string {
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return [...parts, hex.slice(20, 32)].join('-');
}
