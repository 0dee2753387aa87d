import type { Vm } from '#testing';

const PATH = '/opt/hostward-test-client.py';

/**
 * One connection to the sensor's socket. `apply` sends standard input as an envelope, `garbage` sends it bare, `ask`
 * sends a message without fields, `suspend` one that asks for an hour of mode off. Prints the answer's type, a newline
 * and its bytes; `closed` where the connection ended, `refused` where none was made.
 */
const CLIENT = `import socket, struct, sys, time

def field(tag, data):
    return struct.pack('<HHI', tag, 0, len(data)) + data

def frame(kind, payload):
    return struct.pack('<IHHII', 0x31445748, 1, kind, len(payload), 7) + payload

mode = sys.argv[1]
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(90)
try:
    sock.connect('/run/hostward/sensor.sock')
except OSError as error:
    print('refused', error)
    sys.exit(1)
try:
    if mode == 'garbage':
        sock.sendall(sys.stdin.buffer.read())
    elif mode == 'apply':
        sock.sendall(frame(3, field(3, sys.stdin.buffer.read())))
    elif mode == 'suspend':
        until = struct.pack('<Q', int(time.time() * 1000) + 3600000)
        sock.sendall(frame(8, field(12, b'off') + field(13, until) + field(14, b'no reason')))
    else:
        sock.sendall(frame(int(sys.argv[2]), b''))
    head = sock.recv(16)
    print(struct.unpack('<IHHII', head)[2] if len(head) == 16 else 'closed')
    print(sock.recv(65536)[:2000].decode('utf8', 'replace'))
except OSError as error:
    print('closed', error)
`;

/** Number of an answer, by hostward-abi.h. */
export const ANSWER = { applied: '4', error: '13' } as const;

/** Puts the client into a guest. */
export function installSensorClient(vm: Vm): Promise<void> {
  return vm.writeFile(PATH, CLIENT);
}

/** Speaks to the guest's sensor as a user; see CLIENT for what is printed. */
export async function askSensor(
  vm: Vm,
  user: string,
  mode: 'apply' | 'garbage' | 'suspend' | `ask ${number}`,
  input: string | Buffer = '',
): Promise<string> {
  const command = `runuser -u ${user} -- python3 ${PATH} ${mode}`;
  const { stdout } = await vm.ssh(command, { input, timeoutMs: 120_000, allowFailure: true });
  return stdout;
}
