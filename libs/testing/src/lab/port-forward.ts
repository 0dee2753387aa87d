import { LabError } from './lab.errors.js';
import type { QmpClient } from './qmp.client.js';

/** A TCP port of a guest's link, and the loopback port of the host that leads to it. */
export interface Forward {
  nic: string;
  address: string;
  guestPort: number;
  port: number;
}

/** Lets QEMU listen on a loopback port, a free one where `port` is 0, and pass it to a guest's TCP port. */
export async function hostForward(qmp: QmpClient, wanted: Forward): Promise<Forward> {
  const { nic, address, guestPort } = wanted;
  const complaint = await qmp.monitor(
    `hostfwd_add ${nic} tcp:127.0.0.1:${wanted.port}-${address}:${guestPort}`,
  );
  const port = forwardedPort(await qmp.monitor('info usernet'), address, guestPort);
  if (port === undefined)
    throw new LabError(`no forward to port ${guestPort} of the guest: ${complaint.trim()}`);
  return { ...wanted, port };
}

/** Finds in QEMU's `info usernet` the newest loopback port that leads to a guest's port. */
function forwardedPort(table: string, address: string, guestPort: number): number | undefined {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const row = rows.find(
    (r) => r[0] === 'TCP[HOST_FORWARD]' && r[4] === address && r[5] === String(guestPort),
  );
  return row?.[3] === undefined ? undefined : Number(row[3]);
}
