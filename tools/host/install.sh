#!/bin/sh
# Installs Hostward on this host from the tree that this script lies in. Run as root; may be run again to upgrade.
#   install.sh [--control-plane URL --ca-fingerprint HEX [--enforcer auto|apparmor|bpf|observe]]
#              [--token-file FILE|stdin [--name NAME] [--attest ssh-host-key]] [--no-start]
# The join token is read from a file or from standard input, never from the command line.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
url='' fingerprint='' enforcer=auto token_file='' name='' start=yes attest=''

usage() { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
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
(cd "$here" && sha256sum --quiet -c SHA256SUMS) || fail 'the tree is damaged: its files do not have their sums; nothing was changed'

# put MODE FROM TO: whole or not at all, also when the program runs.
put() {
  mkdir -p "$(dirname "$3")"
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}

# put_all MODE FROM-DIR TO-DIR
put_all() {
  for file in "$2"/*; do
    [ -f "$file" ] || continue
    put "$1" "$file" "$3/$(basename "$file")"
  done
}

getent group hostward >/dev/null || groupadd --system hostward
getent passwd hostward >/dev/null ||
  useradd --system --gid hostward --home-dir /var/lib/hostward --no-create-home --shell /usr/sbin/nologin hostward

install -d -m 0755 -o root -g root /etc/hostward /usr/lib/hostward /var/lib/hostward /var/lib/hostward/trust
install -d -m 0700 -o hostward -g hostward /var/lib/hostward/agent

lib=$here/usr/lib/hostward
put_all 0644 "$lib/lib" /usr/lib/hostward/lib
put 0755 "$lib/node" /usr/lib/hostward/node
for program in agent.mjs compiler.mjs; do
  [ ! -f "$lib/$program" ] || put 0644 "$lib/$program" "/usr/lib/hostward/$program"
done
if [ -f "$lib/hostward-sensor" ]; then
  # Its AppArmor profile is exempt from every rule set, so nobody but root starts it.
  put 0750 "$lib/hostward-sensor" /usr/lib/hostward/hostward-sensor
  ln -sfn ../lib/hostward/hostward-sensor /usr/bin/hostward-sensor
fi
put_all 0644 "$here/etc/apparmor.d" /etc/apparmor.d
put_all 0644 "$here/lib/systemd/system" /usr/lib/systemd/system

if [ -f /etc/apparmor.d/hostward-sensor ] && [ -d /sys/kernel/security/apparmor ] && command -v apparmor_parser >/dev/null; then
  apparmor_parser -r -W /etc/apparmor.d/hostward-init /etc/apparmor.d/hostward-sensor /etc/apparmor.d/hostward-runtime
fi

if [ -n "$url" ] && [ ! -e /etc/hostward/agent.yaml ]; then
  [ -n "$fingerprint" ] || fail '--control-plane needs --ca-fingerprint'
  umask 022
  cat >/etc/hostward/agent.yaml.new <<YAML
controlPlane:
  url: $url
  caFingerprint: "$fingerprint"
enforcer: $enforcer
YAML
  mv /etc/hostward/agent.yaml.new /etc/hostward/agent.yaml
fi

if [ -n "$token_file" ]; then
  /usr/lib/hostward/node /usr/lib/hostward/agent.mjs enroll --config /etc/hostward/agent.yaml \
    --token-file "$token_file" --name "${name:-$(hostname)}" --agent-user hostward \
    ${attest:+--attest "$attest"}
fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  for unit in /usr/lib/systemd/system/hostward-*; do
    [ -f "$unit" ] || continue
    # A unit without [Install] is started by another one.
    grep -q '^\[Install\]' "$unit" || continue
    systemctl enable --quiet "$(basename "$unit")"
  done
  if [ "$start" = yes ] && [ -e /var/lib/hostward/trust/node-id ]; then
    for unit in hostward-compiler.socket hostward-sensor.service hostward-agent.service; do
      [ ! -f "/usr/lib/systemd/system/$unit" ] || systemctl restart "$unit"
    done
  fi
fi
