#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes installed files a working Hostward host, as root. Run by the package's scripts and by install.sh; may be repeated.
#   setup.sh configure [first | back] [no-start]  user, folders, profiles, units. `first`: an installation, not an upgrade;
#                                                 `back`: after an upgrade that did not come up
#   setup.sh remove   before the files go: enforcement off in order, unless /etc/hostward/keep-enforcing
#   setup.sh resume   what `remove` ended is enforced again; where nothing did, nothing. By hostward-sensor.service, at its start
# An upgrade leaves rule sets, profiles and pins where they are, in the kernel: programs are restarted under them.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH

STATE=/var/lib/hostward
CONFIGURATION=/etc/hostward
PROFILES='hostward-agent hostward-compiler hostward-init hostward-runtime hostward-sensor'
ENABLED='hostward-early.service hostward-compiler.socket hostward-sensor.service hostward-agent.service'
RESTARTED='hostward-sensor.service hostward-agent.service'
REMOVED=$STATE/removed
UNITS=/etc/systemd/system
UNITS_OF_BOOT=/run/systemd/system

say() { printf 'hostward: %s\n' "$*"; }
fail() { printf 'hostward: %s\n' "$*" >&2; exit 1; }
has_systemd() { [ -d /run/systemd/system ]; }
is_enrolled() { [ -e "$STATE/trust/node-id" ] && [ -e "$CONFIGURATION/agent.yaml" ]; }
# Offboarded with --keep-enforcing: it has no keys with which an agent could reach anybody.
is_autonomous() { [ -e "$STATE/trust/node-id" ] && [ ! -e "$STATE/agent/signing.key" ]; }

# A parser older than 4.0 (Debian 12) does not know what the profiles say; disabled, they do not fail each boot.
load_profiles() {
  [ -d /sys/kernel/security/apparmor ] && command -v apparmor_parser >/dev/null || return 0
  cd /etc/apparmor.d
  # shellcheck disable=SC2086 # lists of files
  if [ -e abi/4.0 ]; then
    [ ! -d disable ] || (cd disable && rm -f $PROFILES)
    apparmor_parser -r -W $PROFILES ||
      say 'AppArmor does not take the profiles: this host cannot use the enforcer apparmor; hostward-agent preflight says more' >&2
  else
    mkdir -p disable
    for profile in $PROFILES; do ln -sf "../$profile" "disable/$profile"; done
    say 'AppArmor is older than 4.0: this host can use the enforcer bpf alone; hostward-agent preflight says more'
  fi
  cd /
}

# move_dropins FROM TO: what gives units our profile. Until the next boot it counts as well as that profile does; after it
# there would be none of that name, and no such unit would start.
move_dropins() {
  for file in "$1"/*.service.d/50-hostward.conf; do
    [ -e "$file" ] || continue
    folder=${file%/*}
    mkdir -p "$2/${folder##*/}"
    mv -f "$file" "$2/${folder##*/}"
    rmdir --ignore-fail-on-non-empty "$folder"
  done
}

# shellcheck disable=SC2086 # lists of units
configure() {
  first=no start=yes back=no
  for word in "$@"; do
    case "$word" in
      first) first=yes ;;
      back) first=yes back=yes ;;
      no-start) start=no ;;
      *) fail "setup.sh configure does not know \"$word\"" ;;
    esac
  done
  # What `remove` took away comes back with the files; and what was offboarded is as new. Units start where there is an identity.
  if [ -e "$REMOVED" ] || ! is_enrolled; then first=yes; fi
  if is_autonomous; then ENABLED=${ENABLED% hostward-agent.service} RESTARTED=${RESTARTED% hostward-agent.service}; fi
  # Without a rule set the next boot loads no profile that they could name.
  [ ! -e "$STATE/sensor/snapshot" ] || move_dropins "$UNITS_OF_BOOT" "$UNITS"
  systemd-sysusers hostward-agent.conf
  systemd-tmpfiles --create hostward-agent.conf
  load_profiles
  # To enable a unit reads every unit anew.
  if [ "$first" = yes ]; then systemctl enable --quiet $ENABLED; elif has_systemd; then systemctl daemon-reload; fi
  # As offboard.sh does; `remove` took it away.
  if [ "$first" = yes ] && is_autonomous; then systemctl --quiet add-wants multi-user.target hostward-autonomous.service; fi
  if has_systemd && [ "$start" = yes ]; then restart; fi
  # On a host with an identity the mark stays until its rules are in force, which may be at the next boot.
  is_enrolled || rm -f "$REMOVED"
}

# What ran runs on in its new version; what is enrolled and was just installed starts; nothing else does.
restart() {
  # A socket is not restarted under its service, which a waiting sensor starts again at any moment: both stop together.
  if systemctl is-active --quiet hostward-compiler.socket; then
    systemctl --quiet stop hostward-compiler.socket hostward-compiler.service
    systemctl start hostward-compiler.socket
  fi
  verb=try-restart
  if [ "$first" = yes ] && is_enrolled; then verb=start; fi
  # What does not stay is taken for started.
  [ "$back" = no ] || verb=restart
  [ "$verb" = try-restart ] || systemctl start hostward-compiler.socket
  for unit in $RESTARTED; do
    # Going back is done when the files are there: systemd goes on trying to start them.
    systemctl "$verb" "$unit" || { [ "$back" = yes ] && say "$unit does not start yet" >&2; }
  done
  resume || say 'its rules are not in force yet: hostward-sensor status says why; each start of the sensor tries again' >&2
}

resume() {
  [ -e "$REMOVED" ] && is_enrolled || return 0
  # 3: in force, but not wholly, which it says itself.
  /usr/lib/hostward/hostward-sensor resume || [ $? = 3 ] || return 1
  rm -f "$REMOVED"
}

mark_removed() { [ ! -d "$STATE" ] || : >"$REMOVED"; }

remove() {
  if [ -e "$CONFIGURATION/keep-enforcing" ]; then
    say "$CONFIGURATION/keep-enforcing is there: what is enforced stays in the kernel until the next boot"
    /usr/lib/hostward/upgrade.sh forget
    # shellcheck disable=SC2086 # a list of units
    ! has_systemd || systemctl disable --quiet --now $ENABLED hostward-compiler.service
    move_dropins "$UNITS" "$UNITS_OF_BOOT"
    ! has_systemd || systemctl daemon-reload
    mark_removed
    return 0
  fi
  say 'enforcement ends with the package; its policies stay in /var/lib/hostward for a new installation'
  # Also where this is broken off; and a sensor that was started anew meanwhile has taken the mark away.
  mark_removed
  /usr/lib/hostward/offboard.sh --keep-identity
  mark_removed
  # shellcheck disable=SC2086 # a list of files
  [ ! -d /etc/apparmor.d/disable ] || (cd /etc/apparmor.d/disable && rm -f $PROFILES)
}

case "${1-}" in
  configure) shift; configure "$@" ;;
  remove) remove ;;
  resume) resume ;;
  *) sed -n '4,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
