#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes this host back to the version that it had, as root, where the one in its place does not come up.
#   upgrade.sh keep PID VERSION  before other files come, by the version that they replace. PID: the installer, or - for
#                          dpkg; VERSION: which one comes
#   upgrade.sh installed   that installer has come to its end
#   upgrade.sh judge       one look, from the files that were kept; hostward-upgrade.timer, which `keep` makes, repeats it
#   upgrade.sh forget      what was kept goes
# The version that was good decides, since the other one may do nothing right: it keeps its files as hard links, and
# looks whether what ran runs again, the sensor answers, and the agent reports where it did before. Enforcement is in the
# kernel meanwhile. What the host knows (/var/lib/hostward) is never put back: an old rule set would be a way round a new
# one. No `sleep`: a policy may block it. Nothing runs before the last line is read.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH

STATE=/var/lib/hostward
LIBRARY=/usr/lib/hostward
KEPT=/usr/lib/hostward-previous
HEALTH=$STATE/agent/health.json
PENDING=$STATE/upgrade/pending # from, to, installer, reports; installed once that one is done; verdict once it is known
ROLLED_BACK=$STATE/upgrade/rolled-back.json
SEEN=/run/hostward-upgrade # of this boot: how often it was amiss, on end and in all, and since when it is steady
UNIT=/etc/systemd/system/hostward-upgrade
UNITS='hostward-sensor.service hostward-agent.service'

CHECK_IN_S=${HOSTWARD_CHECK_IN_S:-180} # in looks: they come later on a host that is too busy to come up in time
LOOK_S=10
STEADY_S=20          # so long the same processes must have been well
RESTARTS=5           # so often systemd has started one anew that does not stay
COMES_AND_GOES=10    # times CHECK_IN_S in all, with moments in which all is well
INSTALLER_AWAY_S=60  # apt has moments between two runs of dpkg
INSTALLATION_S=1800  # somebody is asked something

say() { printf 'hostward: %s\n' "$*"; }
uptime_s() { cut -d . -f 1 /proc/uptime; }
is_enrolled() { [ -e "$STATE/trust/node-id" ] && [ -e /etc/hostward/agent.yaml ]; }
is_active() { systemctl is-active --quiet "$1"; }
pid_of() { systemctl show -P MainPID "$1"; }

# Over what install.sh had put here, dpkg knows the package before its files come, and after a host went back from it.
is_packaged() { [ ! -e "$LIBRARY/INSTALLED" ] && dpkg-query --status hostward-agent >/dev/null 2>&1; }
installed_version() {
  if is_packaged; then
    dpkg-query -W -f '${Version}\n' hostward-agent
  else
    cat "$LIBRARY/VERSION" 2>/dev/null || timeout 20 hostward-agent version
  fi
}
# dpkg goes on naming the version that was taken back.
running_version() {
  named=$(installed_version)
  back_from=$(sed -n 's/^{"from":"\([^"]*\)",.*$/\1/p' "$ROLLED_BACK" 2>/dev/null) || back_from=''
  if is_packaged && [ "$named" = "$back_from" ]; then
    sed -n 's/^.*,"to":"\([^"]*\)",.*$/\1/p' "$ROLLED_BACK"
  else
    printf '%s\n' "$named"
  fi
}

# Files of the version that is installed now, by whichever way, without the leading slash.
installed() {
  {
    dpkg-query -L hostward-agent 2>/dev/null || true
    if [ -e "$LIBRARY/INSTALLED" ]; then
      cat "$LIBRARY/INSTALLED"
      printf '%s\n' "$LIBRARY/INSTALLED" "$LIBRARY/uninstall.sh"
    fi
  } | sed 's,^/,,' | LC_ALL=C sort -u | while read -r file; do
    if [ -f "/$file" ] || [ -L "/$file" ]; then printf '%s\n' "$file"; fi
  done
}

# Whether the agent that runs now writes reports and finds everything that it needs: by its own word, under its own pid.
reports() {
  says "\"pid\": $(pid_of hostward-agent.service),\$" && says '"reports": [1-9]' && ! lacks 'redis|control-plane|report|sensor'
}
lacks() { says "\"name\": \"($1)\""; }
# The file is the agent's user's, who may have made a pipe of it that nobody writes to.
says() { timeout 5 head -c 1048576 "$HEALTH" 2>/dev/null | grep -E "$1" >/dev/null; }

# PID as no other process is known, of another boot either.
known() {
  printf '%s %s %s\n' "$1" "$(cat /proc/sys/kernel/random/boot_id)" "$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20)"
}

# Looks begin anew, with who installs what now.
begin() {
  rm -rf "$SEEN" "$1/installed"
  printf '%s\n' "$3" >"$1/to"
  if [ "$2" != - ]; then known "$2"; fi >"$1/installer.new"
  mv "$1/installer.new" "$1/installer"
}

keep() {
  # Of a `keep` that was broken off, before anything was replaced.
  [ -e "$UNIT.timer" ] || rm -rf "$PENDING"
  # The files of a version that is being taken back are put in order first.
  if [ -e "$PENDING/verdict" ]; then systemctl start hostward-upgrade.service; fi
  if ! is_enrolled || [ ! -d /run/systemd/system ]; then return 0; fi
  # A second upgrade before the first was judged: what was good is still the one that is kept.
  if [ -e "$PENDING" ]; then begin "$PENDING" "$1" "$2"; return 0; fi
  # What does not run cannot become worse: this upgrade may be the cure.
  for unit in $UNITS; do is_active "$unit" || return 0; done
  keep_files
  rm -rf "$PENDING.new"
  mkdir -p "$PENDING.new"
  begin "$PENDING.new" "$1" "$2"
  running_version >"$PENDING.new/from"
  if reports; then echo yes; else echo no; fi >"$PENDING.new/reports"
  mv -T "$PENDING.new" "$PENDING"
  watch
  # The power may go while the files are replaced.
  sync -f "$KEPT" "$PENDING" "$UNIT.timer"
}

installed_now() { [ ! -e "$PENDING" ] || : >"$PENDING/installed"; }

# Links cost no room; what an administrator may edit in place is copied.
keep_files() {
  rm -rf "$KEPT"
  mkdir -m 700 "$KEPT"
  cd /
  installed | grep '^etc/' | xargs -r -d '\n' cp -a --parents -t "$KEPT"
  installed | grep -v '^etc/' | xargs -r -d '\n' cp -al --parents -t "$KEPT"
}

watch() {
  cat >"$UNIT.service" <<END
[Unit]
Description=Hostward goes back to the version that it had unless the new one comes up
Documentation=man:hostward-agent(8)
[Service]
Type=oneshot
TimeoutStartSec=15min
ExecStart=/bin/sh $KEPT$LIBRARY/upgrade.sh judge
END
  cat >"$UNIT.timer" <<END
[Unit]
Description=Looks whether the new version of Hostward has come up
[Timer]
OnActiveSec=$LOOK_S
OnUnitInactiveSec=$LOOK_S
AccuracySec=1
[Install]
WantedBy=timers.target
END
  systemctl daemon-reload
  systemctl enable --quiet --now hostward-upgrade.timer
}

# In this order, which the disk keeps too: what is pending has a watch, and the watch has its program. No daemon-reload:
# it would give the service that runs this, and has no file any more, the time that any unit has to start (90 s), and end
# it there where that is over. Units that are inactive and have no file go by themselves.
forget() {
  rm -rf "$PENDING"
  [ ! -d "$STATE/upgrade" ] || sync "$STATE/upgrade"
  if [ -e "$UNIT.timer" ]; then
    systemctl disable --quiet --now hostward-upgrade.timer || true
    rm -f "$UNIT.service" "$UNIT.timer"
  fi
  rm -rf "$KEPT" "$SEEN"
}

# Seconds since NAME was first asked for in this boot.
since() {
  [ -e "$SEEN/$1" ] || uptime_s >"$SEEN/$1"
  echo $(($(uptime_s) - $(cat "$SEEN/$1")))
}

# One more look at which it was so.
count() {
  n=$(($(cat "$SEEN/$1" 2>/dev/null || echo 0) + 1))
  echo "$n" | tee "$SEEN/$1"
}

# By the shell itself: not every host has a pgrep.
is_dpkg_at_work() {
  for comm in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$comm" || continue
    [ "$name" != dpkg ] || return 0
  done
  return 1
}

# 0 installed, 1 at work, 2 given up.
installation() {
  installer=$(cat "$PENDING/installer")
  if [ -n "$installer" ]; then
    [ ! -e "$PENDING/installed" ] || return 0
    [ "$(known "${installer%% *}" 2>/dev/null)" = "$installer" ] || return 2
  else
    case $(dpkg-query -W -f '${db:Status-Status}' hostward-agent 2>/dev/null) in installed) return 0 ;; esac
    if is_dpkg_at_work; then
      rm -f "$SEEN/away"
    elif [ "$(since away)" -ge "$INSTALLER_AWAY_S" ]; then
      return 2
    fi
  fi
  [ "$(since installation)" -lt "$INSTALLATION_S" ] || return 2
  return 1
}

# The first thing that is amiss; nothing when all is well. An agent that has reported shows that it can: a network or a
# Redis that is away from then on, this version did not bring.
amiss() {
  for unit in $UNITS; do
    is_active "$unit" || { echo "$unit does not run"; return; }
  done
  "$LIBRARY/hostward-sensor" status --json >/dev/null 2>&1 || { echo 'the sensor does not answer'; return; }
  if [ "$(cat "$PENDING/reports")" = no ]; then return; fi
  if [ -e "$SEEN/steady" ]; then
    ! lacks sensor || echo 'the agent does not get on with the sensor, as it did before'
  else
    reports || echo 'the agent does not report, as it did before'
  fi
}

crashing() {
  for unit in $UNITS; do
    [ "$(systemctl show -P NRestarts "$unit")" -lt "$RESTARTS" ] || echo "$unit was started anew $RESTARTS times and does not stay"
  done | head -n 1
}

judge() {
  if [ ! -e "$PENDING" ] || ! is_enrolled; then forget; return; fi
  mkdir -p "$SEEN"
  if [ -e "$PENDING/verdict" ]; then roll_back; return; fi
  state=0
  installation || state=$?
  [ "$state" != 1 ] || return 0
  why=$(crashing)
  [ -z "$why" ] || { condemn "$why"; return; }
  [ "$state" != 2 ] || { condemn 'its installation did not come to an end'; return; }
  pids=$(for unit in $UNITS; do pid_of "$unit"; done)
  if [ "$(cat "$SEEN/pids" 2>/dev/null)" != "$pids" ]; then
    printf '%s\n' "$pids" >"$SEEN/pids"
    rm -f "$SEEN/steady"
  fi
  why=$(amiss)
  if [ -n "$why" ]; then
    rm -f "$SEEN/steady"
    if [ "$(count on-end)" -gt "$((CHECK_IN_S / LOOK_S))" ]; then
      condemn "$why, for $CHECK_IN_S s on end"
    elif [ "$(count in-all)" -gt "$((COMES_AND_GOES * CHECK_IN_S / LOOK_S))" ]; then
      condemn "$why, again and again"
    fi
    return
  fi
  rm -f "$SEEN/on-end"
  [ "$(since steady)" -lt "$STEADY_S" ] || accept
}

accept() {
  say "version $(cat "$PENDING/to") has come up; $(cat "$PENDING/from") is not kept any longer"
  rm -f "$ROLLED_BACK"
  forget
}

condemn() {
  printf '%s\n' "$1" >"$PENDING/verdict.new"
  sync "$PENDING/verdict.new"
  mv "$PENDING/verdict.new" "$PENDING/verdict"
  roll_back
}

# Whole at any moment: a run that was killed is finished by the next.
roll_back() {
  from=$(cat "$PENDING/to")
  to=$(cat "$PENDING/from")
  reason=$(cat "$PENDING/verdict")
  say "version $from has not come up: $reason. Going back to $to" >&2
  put_back
  printf '{"from":"%s","to":"%s","at":"%s","reason":"%s"}\n' \
    "$from" "$to" "$(date -u +%FT%TZ)" "$reason" >"$ROLLED_BACK.new"
  sync "$ROLLED_BACK.new"
  mv -f "$ROLLED_BACK.new" "$ROLLED_BACK"
  "$LIBRARY/setup.sh" configure back
  forget
  say "$to runs again, with the files of $from out of the way; to try once more, install it anew"
}

# A link itself, and not what it leads to.
is_same() { [ "$(stat -c %d:%i "$1")" = "$(stat -c %d:%i "$2" 2>/dev/null)" ]; }

put_back() {
  kept=$(cd "$KEPT" && find etc usr \( -type f -o -type l \) | LC_ALL=C sort)
  printf '%s\n' "$kept" >"$SEEN/kept"
  extra=$(installed | LC_ALL=C sort | LC_ALL=C comm -13 "$SEEN/kept" -)
  for file in $kept; do
    rm -f "/$file.hostward-kept"
    # Not replaced, or put back by a run that was killed.
    ! is_same "$KEPT/$file" "/$file" || continue
    cp -al "$KEPT/$file" "/$file.hostward-kept" 2>/dev/null || cp -a "$KEPT/$file" "/$file.hostward-kept"
    mv -fT "/$file.hostward-kept" "/$file"
  done
  for file in $extra; do rm -f "/$file"; done
}

case "${1-}" in
  keep) keep "${2--}" "${3-unknown}" ;;
  installed) installed_now ;;
  judge) judge ;;
  forget) forget ;;
  *)
    sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
