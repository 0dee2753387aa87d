#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tells whether this machine can be a host of Hostward. Changes nothing, needs nothing installed and no root, and may be
# piped to `sh -s --`: `hostward bootstrap` does that before there is a package, `hostward-agent preflight` runs it after.
#   preflight.sh [--url https://CONTROL-PLANE:PORT] [--help]
# Prints one JSON object a line: {"check":NAME,"verdict":"ok"|"warning"|"failed","cause":WHY,"remedy":WHAT TO DO}.
#   failed   Hostward would not run, or would enforce nothing
#   warning  it runs; what it does not cover, or what will hurt later, is said
# Exit 1 when a check failed, 2 when it was called wrongly. Nothing runs before the last line is read, so that a script
# that was cut does nothing.
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
worst=0

NEEDED_USR_MIB=300 # the package unpacked, and once more while it is replaced
NEEDED_VAR_MIB=256 # spool, snapshots and compiled profiles
GLIBC_MIN=2.35
PARSER_WITH_PRIORITY=4.1
SKEW_WARNING_S=30
SKEW_FAILED_S=300 # a certificate or a join token made now would count as not yet valid, or as spent
ANSWER_S=5

# A JSON string. Most need nothing changed, and a process costs more than a look.
quoted() {
  case $1 in
    *[![:print:]]* | *[\\\"]*)
      printf '"%s"' "$(printf %s "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177-\377' | sed 's/[\\"]/\\&/g')" ;;
    *) printf '"%s"' "$1" ;;
  esac
}

# verdict CHECK ok|warning|failed CAUSE [REMEDY]
verdict() {
  [ "$2" != failed ] || worst=1
  printf '{"check":%s,"verdict":"%s","cause":%s,"remedy":%s}\n' \
    "$(quoted "$1")" "$2" "$(quoted "$3")" "$(quoted "${4-}")"
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least FOUND WANTED: dotted numbers, compared number by number.
at_least() {
  printf '%s\n%s\n' "$2" "$1" | sort -c -t . -k 1,1n -k 2,2n -k 3,3n 2>/dev/null
}

bounded() {
  if has timeout; then timeout "$ANSWER_S" "$@"; else "$@"; fi
}

check_architecture() {
  machine=$(uname -m)
  case $machine in
    x86_64) verdict architecture ok "$machine" ;;
    aarch64) verdict architecture warning "$machine is a build of its own, and less tried" 'install the package for arm64' ;;
    *) verdict architecture failed "there is no package for $machine" 'use a host with x86_64 or aarch64' ;;
  esac
}

check_glibc() {
  version=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')
  if [ -z "$version" ]; then
    verdict glibc failed 'the C library is not glibc' "use a distribution with glibc $GLIBC_MIN or later"
  elif at_least "$version" "$GLIBC_MIN"; then
    verdict glibc ok "$version"
  else
    verdict glibc failed "glibc $version is older than $GLIBC_MIN" 'upgrade the distribution: Debian 12, Ubuntu 22.04 or later'
  fi
}

check_systemd() {
  if [ -d /run/systemd/system ]; then
    verdict systemd ok "$(cat /proc/1/comm 2>/dev/null || echo systemd) is PID 1"
  else
    verdict systemd failed "systemd does not run this system; PID 1 is $(cat /proc/1/comm 2>/dev/null || echo unknown)" \
      'boot this host with systemd; a container is covered by the host that it runs on'
  fi
}

# The kernel's list, comma separated; empty where it cannot be read.
lsm_list() { cat /sys/kernel/security/lsm 2>/dev/null || true; }

has_lsm() {
  case ",$(lsm_list)," in *",$1,"*) return 0 ;; esac
  return 1
}

apparmor_on() {
  [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || has_lsm apparmor
}

# The mode of all profiles at once, where it is one that lets everything pass.
apparmor_passes() {
  mode=$(cat /sys/module/apparmor/parameters/mode 2>/dev/null)
  [ "$mode" = complain ] || [ "$mode" = unconfined ]
}

bpf_on() { has_lsm bpf && [ -r /sys/kernel/btf/vmlinux ]; }

check_lsm() {
  boot='add apparmor=1 and lsm=landlock,lockdown,yama,integrity,apparmor,bpf to the kernel command line and boot'
  if apparmor_on && apparmor_passes; then
    verdict lsm "$(bpf_on && echo warning || echo failed)" \
      "AppArmor is in mode $mode for all profiles: what it enforces refuses nothing" \
      'printf enforce >/sys/module/apparmor/parameters/mode, and take apparmor.mode= off the kernel command line'
  elif apparmor_on && bpf_on; then
    verdict lsm ok "AppArmor and BPF-LSM are active (kernel $(uname -r))"
  elif apparmor_on; then
    verdict lsm ok "AppArmor is active, BPF-LSM is not (kernel $(uname -r)): enforcer apparmor"
  elif bpf_on; then
    verdict lsm ok "BPF-LSM is active, AppArmor is not (kernel $(uname -r)): enforcer bpf"
  elif [ -z "$(lsm_list)" ]; then
    verdict lsm failed "kernel $(uname -r) shows no LSM: /sys/kernel/security/lsm cannot be read" \
      "mount securityfs (systemctl start sys-kernel-security.mount); if it is mounted: $boot"
  else
    verdict lsm failed "kernel $(uname -r) has neither AppArmor nor BPF-LSM active, only $(lsm_list): nothing can be enforced" "$boot"
  fi
}

check_btf() {
  if [ -r /sys/kernel/btf/vmlinux ]; then
    verdict btf ok '/sys/kernel/btf/vmlinux is there'
  else
    verdict btf warning 'the kernel has no type information (BTF): no BPF-LSM' \
      'use a kernel with CONFIG_DEBUG_INFO_BTF, or enforcer: apparmor'
  fi
}

check_apparmor_parser() {
  apparmor_on || return 0
  if ! has apparmor_parser; then
    if bpf_on; then
      verdict apparmor-parser warning 'apparmor_parser is not installed: only the BPF enforcer works' 'apt-get install apparmor'
    else
      verdict apparmor-parser failed 'apparmor_parser is not installed: AppArmor cannot be used' 'apt-get install apparmor'
    fi
    return 0
  fi
  version=$(bounded apparmor_parser --version 2>/dev/null | sed -n 's/^.*version \([0-9][0-9.]*\).*$/\1/p' | head -n 1)
  if [ -z "$version" ]; then
    verdict apparmor-parser warning 'apparmor_parser does not tell its version' 'apt-get install --reinstall apparmor'
  elif at_least "$version" "$PARSER_WITH_PRIORITY"; then
    verdict apparmor-parser ok "$version"
  else
    verdict apparmor-parser warning \
      "apparmor_parser $version has no priority=: an Allow inside of a Block will be unsupported on AppArmor" \
      "use enforcer: bpf, or a distribution with apparmor $PARSER_WITH_PRIORITY (Debian 13)"
  fi
}

# Options of the mount that holds a path; the last of equal mounts is the one that is seen.
mount_options() {
  awk -v path="$1" '
    { at = $2; gsub(/\\040/, " ", at) }
    at == "/" || path == at || index(path "/", at "/") == 1 { if (length(at) >= best) { best = length(at); options = $4 } }
    END { print options }' /proc/self/mounts
}

check_writable() {
  closed=''
  for folder in /usr/lib /etc /var/lib; do
    case ",$(mount_options "$folder")," in *,ro,*) closed="$closed $folder" ;; esac
  done
  if [ -z "$closed" ]; then
    verdict writable ok '/usr/lib, /etc and /var/lib are writable'
  else
    verdict writable failed "mounted read-only:$closed" \
      'mount -o remount,rw the file system; on an image-based system put the package into the image'
  fi
}

# disk_room CHECK FOLDER MIB
disk_room() {
  free=$(df -Pk "$2" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
  inodes=$(df -Pi "$2" 2>/dev/null | awk 'NR == 2 { print ($2 == 0 ? "many" : $4) }')
  if [ "${free:-0}" -lt "$3" ]; then
    verdict "$1" failed "$2 has ${free:-0} MiB free of the $3 that are needed" "free some space on $2 (df -h $2; apt-get clean)"
  elif [ "$inodes" != many ] && [ "${inodes:-0}" -lt 1000 ]; then
    verdict "$1" failed "$2 has ${inodes:-0} inodes left" "remove small files on $2 (df -i $2)"
  else
    verdict "$1" ok "$2 has $free MiB free"
  fi
}

check_selinux() {
  if [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ]; then
    verdict selinux warning 'SELinux is enforcing: AppArmor is off beside it, and no SELinux policy for Hostward is part of the package' \
      'use enforcer: bpf, and allow what ausearch -m avc -c hostward-sensor shows (audit2allow), or setenforce 0'
  else
    verdict selinux ok 'SELinux is not enforcing'
  fi
}

check_containers() {
  found=''
  for socket in docker.sock containerd/containerd.sock podman/podman.sock crio/crio.sock; do
    [ ! -S "/run/$socket" ] || found="$found /run/$socket"
  done
  if [ -z "$found" ]; then
    verdict containers ok 'no container runtime'
  else
    verdict containers warning "containers run here:$found; files inside of containers are not covered by host policies" \
      'none is needed for the host itself; what coverage leaves out: hostward describe node NAME'
  fi
}

check_change_profile() {
  found=''
  for program in snap lxd incus firejail flatpak; do
    has "$program" && found="$found $program"
  done
  if [ -z "$found" ]; then
    verdict change-profile ok 'no snap, lxd, incus, firejail or flatpak'
  else
    verdict change-profile warning \
      "installed:$found; what they start changes to a profile of its own, which AppArmor rules of Hostward do not cover" \
      'use enforcer: bpf, which covers them, or do without them; such processes are counted as not covered'
  fi
}

# HTTPS_HOST and HTTPS_PORT of a URL; ends the script if it is none.
split_url() {
  rest=${1#https://}
  [ "$rest" != "$1" ] || usage "--url $1 is no https URL"
  rest=${rest%%/*}
  case $rest in
    \[*\]:*) https_host=${rest%%\]*} https_port=${rest##*\]:} https_host=${https_host#\[} ;;
    \[*\]) https_host=${rest#\[} https_host=${https_host%\]} https_port=443 ;;
    *:*) https_host=${rest%:*} https_port=${rest##*:} ;;
    *) https_host=$rest https_port=443 ;;
  esac
  case $https_host in '' | *[!0-9A-Za-z.:_-]* | -*) usage "--url $1: \"$https_host\" is no host name" ;; esac
  case $https_port in '' | *[!0-9]* | ??????*) usage "--url $1: \"$https_port\" is no port" ;; esac
}

check_name_resolution() {
  address=$(bounded getent ahosts "$https_host" 2>/dev/null | awk 'NR == 1 { print $1 }')
  if [ -n "$address" ]; then
    verdict name-resolution ok "$https_host is $address"
    return 0
  fi
  verdict name-resolution failed "$https_host has no address here" \
    "mend DNS (resolvectl query $https_host; /etc/resolv.conf), or add a line for it to /etc/hosts"
  return 1
}

connect_python() {
  bounded python3 -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)' "$https_host" "$https_port"
}

# Connects by what there is. Returns 0 connected, 1 not, 2 nothing to try it with.
tcp_connects() {
  if has python3; then
    connect_python 2>/dev/null || return 1
  elif has bash; then
    # shellcheck disable=SC2016 # bash expands them
    bounded bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$https_host" "$https_port" 2>/dev/null || return 1
  elif has nc; then
    bounded nc -z "$https_host" "$https_port" >/dev/null 2>&1 || return 1
  else
    return 2
  fi
}

check_route() {
  tried=0
  tcp_connects || tried=$?
  case $tried in
    0) verdict route ok "$https_host port $https_port answers; no port has to be open on this host" ;;
    1) verdict route failed "no connection to $https_host port $https_port within $ANSWER_S s" \
      "open the way out to port $https_port (firewall, security group, proxy), and see that the control plane runs: hostward doctor" ;;
    *) verdict route warning 'not tried: neither python3 nor bash nor nc is installed' 'apt-get install bash' ;;
  esac
  [ "$tried" != 1 ]
}

# The control plane's time as it says it, unauthenticated: only compared. Empty where nothing speaks TLS here.
remote_date() {
  if has curl; then
    curl --silent --insecure --noproxy '*' --max-time "$ANSWER_S" --head "$url/healthz"
  elif has python3; then
    bounded python3 -c 'import http.client, ssl, sys
c = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), timeout=4, context=ssl._create_unverified_context())
c.request("HEAD", "/healthz")
print("Date:", c.getresponse().getheader("date") or "")' "$https_host" "$https_port"
  elif has openssl; then
    printf 'HEAD /healthz HTTP/1.0\r\nHost: %s\r\n\r\n' "$https_host" |
      bounded openssl s_client -quiet -connect "$https_host:$https_port"
  fi 2>/dev/null | tr -d '\r' | sed -n 's/^[Dd]ate: *//p' | head -n 1
}

check_clock_against() {
  said=$(remote_date)
  theirs=$(date -u -d "$said" +%s 2>/dev/null) || theirs=''
  if [ -z "$said" ] || [ -z "$theirs" ]; then
    verdict clock warning "this host says $(date -u +%FT%TZ); the control plane gave no time to compare it with" \
      'compare it by hand; apt-get install curl lets this check do it'
    return 0
  fi
  skew=$(($(date -u +%s) - theirs))
  size=${skew#-}
  side=ahead
  [ "$skew" -ge 0 ] || side=behind
  if [ "$size" -gt "$SKEW_FAILED_S" ]; then
    verdict clock failed "the clock is $size s $side of the control plane's: no certificate or token would be valid" \
      'timedatectl set-ntp true (or set it by hand: timedatectl set-time), then again'
  elif [ "$size" -gt "$SKEW_WARNING_S" ]; then
    verdict clock warning "the clock is $size s $side of the control plane's" 'timedatectl set-ntp true'
  else
    verdict clock ok "within $size s of the control plane's"
  fi
}

check_clock_alone() {
  if [ "$(bounded timedatectl show -p NTPSynchronized --value 2>/dev/null)" = yes ]; then
    verdict clock ok "$(date -u +%FT%TZ), synchronized"
  else
    verdict clock warning "$(date -u +%FT%TZ), and nothing keeps it right" 'timedatectl set-ntp true'
  fi
}

check_control_plane() {
  split_url "$url"
  if check_name_resolution && check_route; then
    check_clock_against
  else
    check_clock_alone
  fi
}

usage() {
  printf 'preflight.sh: %s\nUsage: preflight.sh [--url https://CONTROL-PLANE:PORT]\nExample: preflight.sh --url https://hostward.example.org:7443\n' "$1" >&2
  exit 2
}

main() {
  url=''
  while [ $# -gt 0 ]; do
    case $1 in
      --url) [ $# -ge 2 ] || usage '--url needs a value'; url=${2%/}; shift 2 ;;
      --help) usage 'tells whether this machine can be a host of Hostward' ;;
      *) usage "no option $1" ;;
    esac
  done
  [ -z "$url" ] || split_url "$url"
  check_architecture
  check_glibc
  check_systemd
  check_lsm
  check_btf
  check_apparmor_parser
  check_writable
  disk_room disk-usr /usr "$NEEDED_USR_MIB"
  disk_room disk-var /var/lib "$NEEDED_VAR_MIB"
  check_selinux
  check_containers
  check_change_profile
  if [ -n "$url" ]; then check_control_plane; else check_clock_alone; fi
  exit "$worst"
}

main "$@"
