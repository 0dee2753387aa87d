import type { QmpClient } from './qmp.client.js';

/** Where frames of a wire go: nobody but programs of this host joins a group on its loopback. */
const GROUP = '230.0.0.1';
const LOOPBACK = '127.0.0.1';

/** Plugs a network card into a guest, on the wire of that number, which is a UDP port of the loopback. */
export async function plugWire(qmp: QmpClient, wire: number, address: string): Promise<void> {
  await qmp.execute('netdev_add', {
    type: 'socket',
    id: 'wire0',
    mcast: `${GROUP}:${wire}`,
    localaddr: LOOPBACK,
  });
  await qmp.execute('device_add', {
    driver: 'virtio-net-pci',
    id: 'wire0-card',
    netdev: 'wire0',
    mac: macOf(address),
  });
}

/** Gives the guest's card its address, in a network of 24 bits; the guest needs a moment to see the card. */
export function addressCommand(address: string): string {
  const card = `card=$(grep -l ${macOf(address)} /sys/class/net/*/address | cut -d/ -f5)`;
  const wait = `for i in $(seq 200); do ${card}; [ -n "$card" ] && break; sleep 0.05; done`;
  return `${wait}; ip address add ${address}/24 dev "$card" && ip link set "$card" up`;
}

function macOf(address: string): string {
  const last = Number(address.split('.').at(-1));
  return `52:54:00:12:01:${last.toString(16).padStart(2, '0')}`;
}
