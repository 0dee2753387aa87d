#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes away what install.sh put on this host, as root: enforcement in order, then the files.
#   uninstall.sh [--purge]   --purge: identity, configuration and user too
# Where /etc/hostward/keep-enforcing is there, what is enforced stays in the kernel until the next boot.
set -eu

library=/usr/lib/hostward
purge=no
fail() { echo "uninstall.sh: $*" >&2; exit 1; }

case "$#:${1-}" in
  0:) ;;
  1:--purge) purge=yes ;;
  *) sed -n '3,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || fail 'must be run as root'
[ -e "$library/INSTALLED" ] || fail "$library/INSTALLED is not there: not installed by install.sh"
case $(dpkg-query -W -f '${db:Status-Status}' hostward-agent 2>/dev/null) in
  '' | not-installed | config-files) ;;
  *) fail 'the package hostward-agent is installed: remove it by dpkg --remove or --purge; nothing was changed' ;;
esac

# Whoever was killed is finished by the next run: of two runs one ends enforcement, and what this needs goes after all else.
if [ -x "$library/setup.sh" ]; then "$library/setup.sh" remove; fi
rm -f "$library/setup.sh"
while read -r file; do rm -f "/$file"; done <"$library/INSTALLED"
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$purge" = yes ]; then
  rm -rf /etc/hostward/agent.yaml /etc/hostward/keep-enforcing /var/lib/hostward /run/hostward
  # The control plane's configuration may be there.
  if [ -d /etc/hostward ]; then rmdir --ignore-fail-on-non-empty /etc/hostward; fi
  if getent passwd hostward >/dev/null; then userdel hostward; fi
fi
rm -f "$library/INSTALLED.new" "$library/uninstall.sh.new" "$library/uninstall.sh" "$library/INSTALLED"
# Others may have put something there.
for folder in "$library/lib" "$library"; do
  [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
done
