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

"$library/setup.sh" remove
while read -r file; do rm -f "/$file"; done <"$library/INSTALLED"
rm -f "$library/INSTALLED" "$library/INSTALLED.new" "$library/uninstall.sh"
rmdir "$library/lib" "$library"
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$purge" = yes ]; then
  rm -rf /etc/hostward/agent.yaml /etc/hostward/keep-enforcing /var/lib/hostward /run/hostward
  # The control plane's configuration may be there.
  if [ -d /etc/hostward ]; then rmdir --ignore-fail-on-non-empty /etc/hostward; fi
  if getent passwd hostward >/dev/null; then userdel hostward; fi
fi
