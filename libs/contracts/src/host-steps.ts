/** A text as one word of a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What the steps below need to know; `agentYaml` is the whole of /etc/hostward/agent.yaml. */
export interface HostSettings {
  readonly name: string;
  /** As hosts reach the control plane. */
  readonly url: string;
  /** sha256 of the CA's DER, 64 hexadecimal digits. */
  readonly caFingerprint: string;
  /** Absent where nobody said: a configuration that the host has is its owner's, else `auto`. */
  readonly enforcer?: HostEnforcer | undefined;
}

export const HOST_ENFORCERS = ['auto', 'apparmor', 'bpf', 'observe'] as const;
export type HostEnforcer = (typeof HOST_ENFORCERS)[number];

/** Assignments of a POSIX shell for the variables that HOST_STEPS reads: name, ca_fingerprint, enforcer, agent_yaml. */
export function hostSettings({ name, url, caFingerprint, enforcer }: HostSettings): string {
  // A JSON string is a YAML scalar, whatever is in it.
  const agentYaml = `controlPlane: { url: ${JSON.stringify(url)}, caFingerprint: ${JSON.stringify(caFingerprint)} }
enforcer: ${enforcer ?? 'auto'}
`;
  return `  name=${shellWord(name)}
  ca_fingerprint=${shellWord(caFingerprint)}
  enforcer=${shellWord(enforcer ?? '')}
  agent_yaml=${shellWord(agentYaml)}`;
}

/** Functions of a POSIX shell that look at a host; those that read a configuration need the variable `ca_fingerprint`, but for `enforcer_of`. */
export const LOOK_AT_HOST = `# Whoever removes the package leaves the identity and the configuration.
is_installed() { [ -x /usr/lib/hostward/node ] && [ -e /usr/lib/hostward/agent.mjs ]; }
names_ca() { [ -e "$1" ] && tr -d : <"$1" | grep -qiF -e "$ca_fingerprint"; }
enforcer_of() { found=$(sed -n "s/^enforcer:[ \\"']*\\([a-z]*\\).*/\\1/p" "$1"); printf '%s' "\${found:-auto}"; }
# of_enrolment: into \`config\`, by which a host that is in enrolled; a run may have been broken off before that had its name.
of_enrolment() {
  config=/etc/hostward/agent.yaml
  if [ -e "$config.new" ] && ! names_ca "$config" && { names_ca "$config.new" || [ ! -e "$config" ]; }; then config=$config.new; fi
}
has_its_name() { [ "\${config%.new}" = "$config" ]; }`;

/**
 * Functions of a POSIX shell that make a host of ours out of a machine with a verified package; each may be run again
 * after it was broken off anywhere. `join_host FILE` takes the join token on standard input, needs the variables of
 * hostSettings and an empty folder `work`, and says on standard error `hostward: step NAME`, and where it fails
 * `hostward: error CODE: MESSAGE`.
 */
export const HOST_STEPS = `say() { printf 'hostward: %s\\n' "$*" >&2; }
fail() { say "error $1: $2"; exit 1; }

# blame CODE OUTPUT: ends with what went wrong; the output may know it better than the step.
blame() {
  code=$1
  case $2 in
    *'No space left on device'*) code='disk-full' ;;
    *'Read-only file system'*) code='read-only' ;;
    *'not yet valid'* | *'certificate has expired'*) code='clock-skew' ;;
    *'cannot be reached'*) code='no-route-back' ;;
    *'the join token'*) code='token-refused' ;;
  esac
  fail "$code" "$2"
}

# attempt CODE COMMAND...: what it says is told only when it fails.
attempt() {
  code=$1 && shift
  said=$("$@" 2>&1) || blame "$code" "$said"
}

install_package() {
  umask 022
  say 'step install'
  case $1 in *.deb) install_deb "$1" && return ;; esac
  attempt install-failed tar -x --no-same-owner -f "$1" -C "$work" </dev/null
  attempt install-failed "$(find "$work" -maxdepth 2 -name install.sh)" --no-start </dev/null
}

# Another apt or dpkg may hold the lock for a while, above all at the first boot.
install_deb() {
  tries=0
  until said=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install "$1" 2>&1 </dev/null); do
    case $((tries += 1)).$said in [1-5][0-9].*'frontend lock'* | [0-9].*'frontend lock'*) sleep 2 ;; *) blame install-failed "$said" ;; esac
  done
}

${LOOK_AT_HOST}
# check_enforcer FILE: it is its owner's and stays as it is, and another wish would be left out without a word.
check_enforcer() {
  there=$(enforcer_of "$1")
  [ "\${enforcer:-$there}" = "$there" ] || fail enforcer-differs "$1 says 'enforcer: $there', and $enforcer is asked for: change it there, or leave --enforcer out. Nothing was changed"
}

# write_configuration: into \`config\`, by which this host enrols; one of another fleet is replaced when the host is in.
write_configuration() {
  config=/etc/hostward/agent.yaml
  if names_ca "$config"; then return; fi
  mkdir -p "\${config%/*}"
  config=$config.new
  printf '%s' "$agent_yaml" >"$config" || fail disk-full "$config cannot be written"
}

replace_configuration() {
  if has_its_name; then return; fi
  file=\${config%.new}
  if [ -e "$file" ]; then mv -f "$file" "$file.before"; fi
  mv -f "$config" "$file"
}

start_units() {
  of_enrolment && replace_configuration
  attempt start-failed systemctl daemon-reload
  attempt start-failed systemctl enable --quiet hostward-early.service "$@"
  attempt start-failed systemctl restart "$@"
  for unit in "$@"; do
    tries=0
    until systemctl is-active --quiet "$unit"; do
      [ $((tries += 1)) -le 30 ] || fail start-failed "$unit does not stay up: look at journalctl -u $unit"
      sleep 1
    done
  done
}

join_host() {
  if names_ca /etc/hostward/agent.yaml; then check_enforcer /etc/hostward/agent.yaml; fi
  install_package "$1"
  write_configuration
  say 'step enroll'
  attempt enroll-failed /usr/lib/hostward/node /usr/lib/hostward/agent.mjs enroll \\
    --token-file stdin --config "$config" --name "$name" --agent-user hostward
  replace_configuration
  say 'step start'
  start_units hostward-compiler.socket hostward-sensor.service hostward-agent.service
}
`;
