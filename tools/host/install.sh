#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs Hostward on this host from the tree that this script lies in. Run as root; may be run again to upgrade.
#   install.sh [--control-plane URL --ca-fingerprint HEX [--enforcer auto|apparmor|bpf|observe]]
#              [--token-file FILE|stdin [--name NAME] [--attest ssh-host-key]] [--no-start]
# The join token is read from a file or from standard input, never from the command line.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
list=/usr/lib/hostward/INSTALLED
config=/etc/hostward/agent.yaml
url='' fingerprint='' enforcer='' token_file='' name='' start=yes attest=''

usage() { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "install.sh: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case "$1" in
    --no-start) start=no; shift; continue ;;
    --control-plane | --ca-fingerprint | --enforcer | --token-file | --name | --attest) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case "$1" in
    --control-plane) url=$2 ;;
    --ca-fingerprint) fingerprint=$2 ;;
    --enforcer) enforcer=$2 ;;
    --token-file) token_file=$2 ;;
    --name) name=$2 ;;
    --attest) attest=$2 ;;
  esac
  shift 2
done

[ "$(id -u)" = 0 ] || fail 'must be run as root'
[ -z "$url" ] || [ -n "$fingerprint" ] || fail '--control-plane needs --ca-fingerprint'
(cd "$here" && sha256sum --quiet -c SHA256SUMS) || fail 'the tree is damaged: its files do not have their sums; nothing was changed'
# Removed, it may have left its configuration: `dpkg-query --status` knows it then too.
case $(dpkg-query -W -f '${db:Status-Status}' hostward-agent 2>/dev/null) in
  '' | not-installed | config-files) ;;
  *) fail 'the package hostward-agent is installed: upgrade it by dpkg or apt, or remove it first; nothing was changed' ;;
esac
"$here/usr/lib/hostward/node" -e 0 ||
  fail "Node does not run here: it needs glibc 2.35 and libstdc++ (package libstdc++6, or libstdc++), and a $here that is not mounted noexec and from which no policy keeps programs; nothing was changed"

# ours HEX: this host names or trusts that CA; also where it has followed a replacement of the CA, or a redirect.
ours() {
  state=/var/lib/hostward/agent
  # Files of the agent's user, who may have made pipes of them.
  timeout 10 cat "$config" "$state"/ca.pinned "$state"/*/ca.pinned 2>/dev/null | tr -d : | grep -qiF -e "$1" ||
    timeout 10 cat "$state"/ca.crt "$state"/*/ca.crt 2>/dev/null | "$here/usr/lib/hostward/node" -e '
      const { X509Certificate } = require("node:crypto");
      const held = require("node:fs").readFileSync(0, "utf8").match(/-----BEGIN CERT[^]*?-----END CERT[^\n]*/g) ?? [];
      const prints = held.map((pem) => new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase());
      process.exit(prints.includes(process.argv[1].toLowerCase()) ? 0 : 1)' "$1"
}
# What is there stays as it is: its owner may have changed it. Another fleet or enforcer would be left out without a word.
if [ -e "$config" ]; then
  pinned=$(printf %s "$fingerprint" | tr -d :)
  [ -z "$pinned" ] || ours "$pinned" ||
    fail "$config names another CA than --ca-fingerprint: to move this host, hostward-agent offboard first; else remove the file. Nothing was changed"
  enforces=$(sed -n "s/^enforcer:[ \"']*\([a-z]*\).*/\1/p" "$config")
  [ "${enforcer:-${enforces:-auto}}" = "${enforces:-auto}" ] ||
    fail "$config does not say 'enforcer: $enforcer': change it there, and leave --enforcer out. Nothing was changed"
fi

# put FILE: whole or not at all, also when the program runs; with the mode that it has in the tree.
put() {
  mkdir -p "/${1%/*}"
  cp -P --preserve=mode "$here/$1" "/$1.new"
  chown -h root:root "/$1.new"
  mv -fT "/$1.new" "/$1"
}

first=first
[ ! -e "$list" ] || first=''
# The version that is here comes back where this one does not come up.
version=$(cat "$here/usr/lib/hostward/VERSION" 2>/dev/null || echo unknown)
[ ! -x /usr/lib/hostward/upgrade.sh ] || /usr/lib/hostward/upgrade.sh keep "$$" "$version" ||
  echo 'install.sh: what is installed could not be kept: if this version does not come up, install that one anew' >&2
files=$(cd "$here" && find etc usr \( -type f -o -type l \) | LC_ALL=C sort)
# From now on what is here may be of either version: whoever takes one of them away finds all of it.
if [ -e "$list" ]; then
  # shellcheck disable=SC2086 # a list of files
  { printf '%s\n' "$files"; printf '%s.new\n' $files usr/lib/hostward/uninstall.sh; } |
    LC_ALL=C sort -u - "$list" >"$list.new"
  mv -f "$list.new" "$list"
fi
for file in $files; do put "$file"; done
put_tool() { cp "$here/$1" "/usr/lib/hostward/$1.new" && mv -f "/usr/lib/hostward/$1.new" "/usr/lib/hostward/$1"; }
put_tool uninstall.sh
# On the disk before anything says that they are there: the power may go.
sync -f /usr/lib/hostward
# What an earlier version put here and this one has not.
if [ -e "$list" ]; then
  printf '%s\n' "$files" | LC_ALL=C comm -13 - "$list" | while read -r file; do rm -f "/$file"; done
fi
printf '%s\n' "$files" >"$list.new"
mv -f "$list.new" "$list"

if [ -n "$url" ] && [ ! -e "$config" ]; then
  mkdir -p "${config%/*}"
  cat >"$config.new" <<YAML
controlPlane:
  url: $url
  caFingerprint: "$fingerprint"
enforcer: ${enforcer:-auto}
YAML
  chmod 644 "$config.new"
  mv "$config.new" "$config"
fi

no_start=no-start
[ "$start" = no ] || no_start=''
# shellcheck disable=SC2086 # words, or none
/usr/lib/hostward/setup.sh configure $first $no_start
/usr/lib/hostward/upgrade.sh installed

if [ -n "$token_file" ]; then
  hostward-agent enroll --config "$config" --token-file "$token_file" \
    --name "${name:-$(hostname)}" --agent-user hostward ${attest:+--attest "$attest"}
  # setup.sh left it out where the host was autonomous.
  systemctl enable --quiet hostward-agent.service
  if [ "$start" = yes ] && [ -d /run/systemd/system ]; then
    # As setup.sh does: a socket is not restarted under its service.
    systemctl --quiet stop hostward-compiler.socket hostward-compiler.service
    systemctl restart hostward-compiler.socket hostward-sensor.service hostward-agent.service
  fi
fi
