import { LOOK_AT_HOST, shellWord } from '#contracts';
import { HostFailure } from './failure.js';

interface KeptConfiguration {
  readonly file: string;
  readonly enforcer: string;
}

/** What a machine said of itself. */
export interface HostFacts {
  /** As `uname -m` has it. */
  readonly machine: string;
  readonly hostname: string;
  readonly dpkg: boolean;
  /** Whether its programs are there, whatever its services do. */
  readonly installed: boolean;
  /** Of an enrolment that was before. */
  readonly nodeId: string | undefined;
  /** Whether its services run by the configuration of its enrolment; false where it is not enrolled. */
  readonly running: boolean;
  /** The configuration that stays as it is; undefined where there is none. */
  readonly kept: KeptConfiguration | undefined;
}

/** A script for root that changes nothing; its answer is read by parseFacts. */
export function probeScript(caFingerprint: string): string {
  return `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
tell() { printf '%s=%s\\n' "$1" "$2"; }
yes_if() { key=$1; shift; if "$@" >/dev/null 2>&1; then tell "$key" yes; else tell "$key" no; fi; }
${LOOK_AT_HOST}
ca_fingerprint=${shellWord(caFingerprint)}
running() { has_its_name && systemctl is-active --quiet hostward-sensor.service && systemctl is-active --quiet hostward-agent.service; }
tell machine "$(uname -m)"
tell hostname "$(uname -n)"
yes_if dpkg command -v dpkg
yes_if installed is_installed
if [ -r /var/lib/hostward/trust/node-id ]; then
  read -r id </var/lib/hostward/trust/node-id
  tell node_id "$id"
  of_enrolment
  yes_if running running
else
  config=/etc/hostward/agent.yaml
  names_ca "$config" || config=''
fi
if [ -r "$config" ]; then
  tell configuration "$config"
  tell enforcer "$(enforcer_of "$config")"
fi
`;
}

/** Reads what the script said. Throws HostFailure where it is no answer of it. */
export function parseFacts(text: string): HostFacts {
  const said = new Map(
    text.split('\n').map((line): [string, string] => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const machine = said.get('machine');
  const hostname = said.get('hostname');
  if (machine === undefined || hostname === undefined)
    throw new HostFailure('unforeseen', `it does not answer as a host does: ${text.slice(0, 300)}`);
  const nodeId = said.get('node_id');
  const file = said.get('configuration');
  const enforcer = said.get('enforcer');
  return {
    machine,
    hostname,
    dpkg: said.get('dpkg') === 'yes',
    installed: said.get('installed') === 'yes',
    running: said.get('running') === 'yes',
    kept: file === undefined || enforcer === undefined ? undefined : { file, enforcer },
    nodeId: nodeId !== undefined && /^[0-9a-f]{64}$/.test(nodeId) ? nodeId : undefined,
  };
}
