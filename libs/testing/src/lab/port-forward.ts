import { LabError } from './lab.errors.js';
import type { QmpClient } from './qmp.client.js';

/** Lets QEMU listen on a free loopback port and pass it to a guest's TCP port; returns that port. */
export async function hostForward(
  qmp: QmpClient,
  nic: string,
  address: string,
  guestPort: number,
): Promise<number> {
  const complaint = await qmp.monitor(`hostfwd_add ${nic} tcp:127.0.0.1:0-${address}:${guestPort}`);
  const port = forwardedPort(await qmp.monitor('info usernet'), address, guestPort);
  if (port === undefined)
    throw new LabError(`no forward to port ${guestPort} of the guest: ${complaint.trim()}`);
  return port;
}

/** Finds in QEMU's `info usernet` the newest loopback port that leads to a guest's port. */
function forwardedPort(table: string, address: string, guestPort: number): number | undefined {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const row = rows.find(
    (r) => r[0] === 'TCP[HOST_FORWARD]' && r[4] === address && r[5] === String(guestPort),
  );
  return row?.[3] === undefined ? undefined : Number(row[3]);
}
