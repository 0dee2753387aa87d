import { isIP } from 'node:net';
import {
  HOST_STEPS,
  MACHINES,
  hostSettings,
  shellWord,
  type HostPackage,
  type HostSettings,
} from '#contracts';
import { stringify } from 'yaml';

/** What an install script is made of; any text is safe in it, since each is quoted. */
export interface ScriptValues extends HostSettings {
  readonly token: string;
  /** ISO time at which the token ends. */
  readonly expiresAt: string;
  /** Ed25519 key in PEM under which SHA256SUMS is signed. */
  readonly releaseKey: string;
  readonly packages: readonly HostPackage[];
}

const TOKEN_FORM = 'hwj_[0-9a-f]{16}_[A-Za-z0-9_-]{43}';
const MARK = '# Hostward: installs the agent on this host and enrols it.';

/**
 * A POSIX shell script that installs and enrols one host. Nothing happens before its last line, so that a part of it
 * does nothing; it trusts the CA by its fingerprint alone, and the package by checksum and signature; the token is in
 * no command line, environment or file but the script's own, which it removes. A host that is in is left as it is.
 */
export function installScript(values: ScriptValues): string {
  const { url, token, releaseKey, packages } = values;
  const { hostname, host } = new URL(url);
  const address = hostname.replace(/^\[|\]$/g, '');
  const serverName = isIP(address) === 0 ? `-servername ${shellWord(address)}` : '-noservername';
  const authority = host === hostname ? `${hostname}:443` : host;
  return `#!/bin/sh
${MARK} Run it as root.
# It holds a join token for one host: whoever has it may join until it is used or over.
set -eu
values() {
${hostSettings(values)}
  expires=${shellWord(values.expiresAt)}
  url=${shellWord(url.replace(/\/+$/, ''))}
  token=${shellWord(token)}
  release_key=${shellWord(releaseKey.trimEnd())}
}

choose_package() {
  if command -v dpkg >/dev/null; then kind=deb; else kind=tar; fi
  case $(uname -m).$kind in
${choices(packages)}
    *) fail architecture "there is no package for $(uname -m) ($kind) on the control plane" ;;
  esac
}
${HOST_STEPS}
# holds_ca FILE: among its certificates is the pinned CA, which is \`ca\` then.
holds_ca() {
  rm -f "$work"/shown.*
  awk -v to="$work/shown." '/-BEGIN CERT/ { n++; on = 1 } on { print > (to n) } /-END CERT/ { on = 0; close(to n) }' "$1"
  for ca in "$work"/shown.*; do
    found=$(openssl x509 -in "$ca" -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//; s/://g' | tr A-F a-f)
    if [ "$found" = "$ca_fingerprint" ]; then return; fi
  done
  return 1
}

# The CA is taken from what the control plane shows, if it has the fingerprint that this script carries.
pin_ca() {
  timeout 20 openssl s_client -connect ${shellWord(authority)} ${serverName} -showcerts \\
    </dev/null >"$work/shown" 2>/dev/null || fail no-route-back "$url does not answer: check name resolution, routes and firewalls"
  holds_ca "$work/shown" || fail ca-not-pinned "$url does not show the CA $ca_fingerprint: nothing was sent to it"
}

fetch() {
  attempt download-failed curl --silent --show-error --fail --proto =https --tlsv1.3 --cacert "$ca" \\
    --connect-timeout 15 --max-time 900 --output "$work/$1" "$url/v1/packages/$1"
}

verify() {
  printf '%s\\n' "$release_key" >"$work/release.pem"
  openssl pkeyutl -verify -pubin -inkey "$work/release.pem" -rawin -in "$work/SHA256SUMS" \\
    -sigfile "$work/SHA256SUMS.sig" >/dev/null 2>&1 || fail package-damaged 'SHA256SUMS is not signed by the release key'
  grep -qxF -e "$sha256  $package" "$work/SHA256SUMS" || fail package-damaged "SHA256SUMS does not name $package with its sum"
  printf '%s  %s\\n' "$sha256" "$work/$package" | sha256sum --check --status || fail package-damaged "$package does not have its sum"
}

# The token is spent, or of no use to this host: it goes from this file and from what cloud-init keeps of it, byte for byte.
forget() {
  if [ -f "$0" ] && grep -qF -e '${MARK}' "$0"; then rm -f -- "$0"; fi
  grep -rlE '${TOKEN_FORM}' /var/lib/cloud 2>/dev/null |
    while IFS= read -r file; do sed -i -E 's/${TOKEN_FORM}/${'x'.repeat(64)}/g' "$file"; done
}

# Also where it has followed a replacement of the CA, or a redirect.
is_ours() {
  for file in /etc/hostward/agent.yaml /var/lib/hostward/agent/ca.* /var/lib/hostward/agent/*/ca.*; do
    if [ ! -f "$file" ]; then continue; fi
    if names_ca "$file" || holds_ca "$file"; then return; fi
  done
  return 1
}

get_package() {
  choose_package
  pin_ca
  for file in SHA256SUMS SHA256SUMS.sig "$package"; do fetch "$file"; done
  verify
}

# A host that is in stays as it is, but for services that do not run, and programs that were removed.
keep_host() {
  [ -s /var/lib/hostward/trust/node-id ] || return 1
  is_ours || fail enrolled-elsewhere 'this host is in another fleet: to move it, hostward-agent offboard first. Nothing was changed'
  if ! is_installed; then get_package; fi
  forget
  of_enrolment
  if [ -e "$config" ]; then check_enforcer "$config"; fi
  is_installed || install_package "$work/$package"
  set -- hostward-compiler.socket hostward-sensor.service hostward-agent.service
  for unit in "$@"; do has_its_name && systemctl is-active --quiet "$unit" || { start_units "$@"; return; }; done
}

main() {
  values
  [ "$(id -u)" = 0 ] || fail sudo-failed 'run it as root'
  [ -d /run/systemd/system ] || fail no-systemd 'this host does not run systemd'
  for tool in openssl curl; do
    command -v "$tool" >/dev/null || fail missing-tool "$tool is not there: install it, e.g. by apt-get install $tool"
  done
  work=$(mktemp -d /var/tmp/hostward.XXXXXX)
  trap 'rm -rf "$work"' EXIT && trap 'exit 1' HUP INT TERM
  if keep_host; then say "this host has joined $url before"; return; fi
  [ "$(date +%s)" -lt "$(date -d "$expires" +%s)" ] || fail token-refused "its join token ended at $expires, or the clock is wrong"
  get_package
  printf '%s\\n' "$token" | join_host "$work/$package"
  forget
  say "$name has joined $url"
}
main "$@"
`;
}

function choices(packages: readonly HostPackage[]): string {
  return packages
    .map(
      ({ arch, format, file, sha256 }) =>
        `    ${MACHINES[arch]}.${format}) package=${shellWord(file)} sha256=${shellWord(sha256)} ;;`,
    )
    .join('\n');
}

/** The same as user-data of cloud-init: the script lies in memory, runs at the end of the first boot, and removes itself. */
export function cloudInit(script: string): string {
  const path = '/run/hostward-install.sh';
  const config = {
    write_files: [{ path, owner: 'root:root', permissions: '0700', content: script }],
    runcmd: [['sh', path]],
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}
