import type { Vm } from '#testing';
import { eventually } from './eventually.js';

const EXAMPLES = '/usr/share/hostward/examples';
const DATA = '/var/lib/hostward-control-plane';
const START_MS = 300_000;
/** Opens connections that say nothing, and counts those of them that the kernel keeps from the program. */
const SILENT = `
import socket, subprocess, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
query = ["ss", "-Htn", "state", "syn-recv", "sport", "=", ":%d" % port]
print(len(subprocess.check_output(query).splitlines()))
`;

/** The control plane of the package `hostward` in a VM, with etcd and both Redis as units of the package, on its loopback. */
export class InstalledControlPlane {
  constructor(private readonly vm: Vm) {}

  /** Keys, certificates and settings, as the guide makes them for the first machine; it listens on all addresses. */
  async configure(): Promise<void> {
    await this.vm.ssh(
      `set -e
       runuser -u hostward-control -- hostward-control-plane init --data-dir ${DATA} --listen 0.0.0.0:7443 \\
         --names lab.example,127.0.0.1 --etcd https://127.0.0.1:2379 \\
         --redis 127.0.0.1:6379 --redis-events 127.0.0.1:6380 --agent-redis-host 127.0.0.1 >/dev/null
       cp ${EXAMPLES}/etcd.env ${EXAMPLES}/redis.conf ${EXAMPLES}/redis-events.conf /etc/hostward/
       sed -i 's/10\\.0\\.0\\.1/127.0.0.1/; s/^\\(ETCD_INITIAL_CLUSTER=[^,]*\\),.*/\\1/' /etc/hostward/etcd.env /etc/hostward/*.conf
       ln -s ${DATA}/control-plane.yaml /etc/hostward/`,
      { timeoutMs: START_MS },
    );
  }

  /** Of servers, as if they had ended: both are made anew before a service starts. */
  loseCertificates(): Promise<unknown> {
    return this.vm.ssh(`rm ${DATA}/pki/redis.* ${DATA}/pki/etcd.* ${DATA}/pki/control-plane.*`);
  }

  start(...units: readonly string[]): Promise<unknown> {
    return this.vm.ssh(['systemctl', 'start', ...units], { timeoutMs: START_MS });
  }

  /** Until it reaches etcd and both Redis. */
  ready(): Promise<unknown> {
    return eventually('readyz of the installed control plane', START_MS, () =>
      this.vm.ssh(`curl -fsS --cacert ${DATA}/pki/ca.pem https://127.0.0.1:7443/readyz`),
    );
  }

  /** What a unit has said since the boot, of this priority and above, by line. */
  async journal(unit: string, priority = 'debug'): Promise<string> {
    return (await this.vm.ssh(`journalctl -b -u ${unit} -p ${priority} -o cat`)).stdout;
  }

  /** How many of `count` connections that say nothing do not reach the program on a port. */
  async keptFrom(port: number, count: number): Promise<number> {
    const { stdout } = await this.vm.ssh(['python3', '-c', SILENT, `${port}`, `${count}`]);
    return Number(stdout);
  }
}
