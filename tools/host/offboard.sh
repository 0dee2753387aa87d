#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes Hostward off this host, as root: policies, profiles, pins, then the identity. Run by `hostward-agent offboard`.
#   offboard.sh [--keep-enforcing | --purge | --keep-identity]
#   (no option)       back to what the package's installation left: installed, not enrolled, nothing enforced
#   --purge           the package too: nothing of Hostward is left
#   --keep-identity   what a package does before its files go: enforcement ends, identity and rule set stay for a new one
#   --keep-enforcing  only the control plane's hold ends: what is enforced now stays, over reboots too; no new policy comes
# Each step looks at what is there, so that a run that was killed is finished by the next. Profiles of others are never
# touched, and `aa-remove-unknown` is never run. Nothing runs before the last line is read.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH

STATE=/var/lib/hostward
LIBRARY=/usr/lib/hostward
SECURITYFS=/sys/kernel/security/apparmor
BPFFS=/sys/fs/bpf/hostward
UNITS='hostward-sensor.service hostward-compiler.socket hostward-compiler.service hostward-early.service hostward-autonomous.service'
DROPIN=50-hostward.conf
PASSES=5

say() { printf '%s\n' "$*"; }
fail() { printf 'offboard: %s\n' "$*" >&2; exit 1; }

usage() {
  printf 'Usage: hostward-agent offboard [--keep-enforcing | --purge]\nExample: hostward-agent offboard --purge\n' >&2
  exit 2
}

# By what the shell itself can do: a policy in force may keep everything else from being started.
is_root() {
  while read -r field _ effective _; do
    [ "$field" != Uid: ] || break
  done </proc/self/status
  [ "$effective" = 0 ]
}

has_systemd() { [ -d /run/systemd/system ]; }
has_unit() { systemctl cat "$1" >/dev/null 2>&1; }

# Stopped now and not started at the next boot. All at once: after each `disable` systemd reads every unit anew.
stop_units() {
  has_systemd || return 0
  known=''
  for unit in "$@"; do
    ! has_unit "$unit" || known="$known $unit"
  done
  [ -n "$known" ] || return 0
  # shellcheck disable=SC2086 # a list of names
  systemctl disable --quiet --now $known 2>/dev/null || fail "not all of these stop: systemctl status$known"
  # shellcheck disable=SC2086 # a list of names
  systemctl reset-failed $known 2>/dev/null || true
}

# Whoever judges an upgrade would start the agent again.
forget_upgrade() {
  [ ! -x "$LIBRARY/upgrade.sh" ] || "$LIBRARY/upgrade.sh" forget
}

stop_agent() {
  stop_units hostward-agent.service
  say 'the agent is stopped and disabled'
}

# Policies first, by the sensor: it opens every profile in one write, which reaches the processes that run, and remembers
# that nothing is to be loaded at the next boot. Where it does not run there is nothing to ask. 3: nothing is enforced, but
# a full disk keeps it from being remembered, or a drop-in from being removed, which the steps behind this make no matter.
end_policies() {
  [ -x "$LIBRARY/hostward-sensor" ] && has_systemd || return 0
  systemctl is-active --quiet hostward-sensor.service || return 0
  "$LIBRARY/hostward-sensor" unload >/dev/null || [ $? = 3 ] || fail 'the sensor did not end enforcement: journalctl -u hostward-sensor'
  say 'no policy is enforced any more'
}

stop_sensor() {
  # shellcheck disable=SC2086 # a list of names
  stop_units $UNITS
  rm -f /etc/systemd/system/*.wants/hostward-autonomous.service
  say 'sensor and compiler are stopped and disabled'
}

# Units get their own AppArmorProfile= back before the profile that it was stacked with is gone.
remove_dropins() {
  removed=no
  for file in /etc/systemd/system/*.service.d/"$DROPIN" /run/systemd/system/*.service.d/"$DROPIN"; do
    [ -e "$file" ] || continue
    rm -f "$file"
    rmdir --ignore-fail-on-non-empty "$(dirname "$file")"
    removed=yes
    say "$(basename "$(dirname "$file")" .d) has its own profile again"
  done
  # After a run that was killed here, the next has read every unit anew when it disabled ours.
  if [ "$removed" = yes ] && has_systemd; then systemctl daemon-reload; fi
}

# Names in the kernel that are ours: the catch-all first, since this shell may be in it.
our_profiles() {
  [ -r "$SECURITYFS/profiles" ] || return 0
  sed -n 's/^\(hostward\) ([a-z]*)$/\1/p' "$SECURITYFS/profiles"
  sed -n 's/^\(hostward-[A-Za-z0-9_.-]*\) ([a-z]*)$/\1/p' "$SECURITYFS/profiles"
}

remove_profiles() {
  pass=0
  while [ "$pass" -lt "$PASSES" ]; do
    names=$(our_profiles)
    [ -n "$names" ] || break
    for name in $names; do
      # Refused once where it takes this shell's own label apart; what stays is met in the next pass.
      printf %s "$name" 2>/dev/null >"$SECURITYFS/.remove" || true
    done
    pass=$((pass + 1))
  done
  [ -z "$(our_profiles)" ] || fail "profiles stay in the kernel: $(our_profiles | tr '\n' ' '); boot, then run this again"
  rm -f /var/cache/apparmor/*/hostward-* /etc/apparmor.d/cache*/*/hostward-*
  say 'no AppArmor profile of Hostward is loaded'
}

# Programs are detached when their pins go: the sensor, which held them too, is stopped. The kernel frees them a moment
# later.
remove_pins() {
  [ -d "$BPFFS" ] || return 0
  rm -rf "$BPFFS"
  say 'the BPF programs are detached'
}

# The kernel keeps USB devices out of use whether or not the sensor lives, which may not have been there to be asked.
release_usb() {
  [ -x "$LIBRARY/hostward-sensor" ] || return 0
  "$LIBRARY/hostward-sensor" usb-release || say 'USB devices may stay out of use until the next boot'
}

remove_identity() {
  rm -rf "$STATE/agent" "$STATE/sensor" "$STATE/trust" "$STATE/upgrade" /run/hostward
  rm -f /etc/hostward/agent.yaml /etc/hostward/agent.yaml.new
  for folder in "$STATE" /etc/hostward; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
  done
  say 'identity, keys and configuration are removed'
}

remove_package() {
  if command -v dpkg-query >/dev/null && dpkg-query --status hostward-agent >/dev/null 2>&1; then
    dpkg --purge hostward-agent
  elif [ -x "$LIBRARY/uninstall.sh" ]; then
    "$LIBRARY/uninstall.sh" --purge
  elif [ -d "$LIBRARY" ]; then
    fail "the package of $LIBRARY is not known here: remove it the way it was installed"
  fi
  say 'the package is removed'
}

# What the control plane knows this host by goes; the compiler keeps the sealing key, with which it opens the rule set
# that is in force when the host's context change, or one that root imports from a file.
stay_enforcing() {
  [ -e "$STATE/sensor/snapshot" ] || fail 'there is no rule set to keep: hostward-sensor status'
  has_systemd || fail 'there is no systemd to keep it over a reboot'
  forget_upgrade
  stop_agent
  systemctl --quiet add-wants multi-user.target hostward-autonomous.service
  systemctl start hostward-autonomous.service
  rm -rf "$STATE/agent"
  say 'the host is autonomous: it enforces what it had, over reboots too, and takes nothing from a control plane'
  say 'to end that: hostward-agent offboard'
}

# Policies go twice: what is in force may stop the tools of the steps between, and the agent may take one until it is
# stopped. That the sensor does not run is met by the second time.
end_enforcement() {
  [ ! -x "$LIBRARY/hostward-sensor" ] || "$LIBRARY/hostward-sensor" unload >/dev/null 2>&1 || true
  forget_upgrade
  stop_agent
  end_policies
  stop_sensor
  remove_dropins
  remove_profiles
  remove_pins
  release_usb
}

leave() {
  end_enforcement
  remove_identity
  [ "$1" != purge ] || remove_package
  say 'this host is offboarded; at the control plane: hostward node offboard NAME'
}

main() {
  mode=leave
  case "$#:${1-}" in
    0:) ;;
    1:--keep-enforcing) mode=keep ;;
    1:--keep-identity) mode=identity ;;
    1:--purge) mode=purge ;;
    *) usage ;;
  esac
  is_root || fail 'only root may offboard a host: sudo hostward-agent offboard'
  case $mode in
    keep) stay_enforcing ;;
    identity) end_enforcement ;;
    *) leave "$mode" ;;
  esac
}

main "$@"
