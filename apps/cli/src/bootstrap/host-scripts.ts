import {
  HOST_STEPS,
  hostSettings,
  shellWord,
  type HostPackage,
  type HostSettings,
} from '#contracts';

/** Root's, so that nobody else puts a package there. */
const FOLDER = '/var/cache/hostward-bootstrap';

const HEAD = `set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
folder=${FOLDER}
${HOST_STEPS}
# Two runs at once would write into each other's files.
alone() {
  (umask 077 && mkdir -p "$folder") || fail disk-full "$folder cannot be made"
  exec 9>"$folder/lock"
  if command -v flock >/dev/null; then flock -n 9 || fail busy 'another bootstrap works on this host'; fi
}
`;

/** A script for root that tells how many bytes of the package are there from a run before. */
export function heldScript({ sha256, file }: HostPackage): string {
  return `${HEAD}alone
if [ -f "$folder/"${shellWord(file)} ] && printf '%s  %s\\n' ${sha256} "$folder/"${shellWord(file)} | sha256sum --check --status; then
  printf 'whole\\n'
elif [ -f "$folder/${sha256}.part" ]; then
  wc -c <"$folder/${sha256}.part"
else
  printf '0\\n'
fi`;
}

/**
 * A script for root that takes the package's bytes after the first `offset` on standard input. What came of one that
 * was broken off stays for the next run; what is whole has its sum, or is gone.
 */
export function uploadScript(
  { sha256, file, bytes }: HostPackage & { readonly bytes: number },
  offset: number,
): string {
  return `${HEAD}alone
part="$folder/${sha256}.part"
[ "${offset}" != 0 ] || : >"$part"
[ "$(wc -c <"$part")" -eq ${offset} ] || fail busy 'another bootstrap has written here'
said=$(cat 2>&1 >>"$part") || { rm -f "$part"; blame install-failed "$said"; }
[ "$(wc -c <"$part")" -eq ${bytes} ] || fail connection-lost 'the package did not come whole'
printf '%s  %s\\n' ${sha256} "$part" | sha256sum --check --status || { rm -f "$part"; fail package-damaged 'the package came with another sum'; }
mv -f "$part" "$folder/"${shellWord(file)}`;
}

/** Begins a script that has the uploaded package in `package`. */
function withPackage({ sha256, file }: HostPackage): string {
  return `${HEAD}alone
package="$folder/"${shellWord(file)}
printf '%s  %s\\n' ${sha256} "$package" | sha256sum --check --status || fail package-damaged 'the package is not the one that was sent'
work=$(mktemp -d /var/tmp/hostward.XXXXXX)
trap 'rm -rf "$work"' EXIT && trap 'exit 1' HUP INT TERM`;
}

/** A script for root that installs the uploaded package and enrols; the join token comes on standard input. */
export function joinScript(chosen: HostPackage, settings: HostSettings): string {
  return `${withPackage(chosen)}
${hostSettings(settings)}
join_host "$package"
head -c 64 /var/lib/hostward/trust/node-id
rm -rf "$folder"`;
}

/** A script for root that installs the uploaded package where an enrolled host had lost its programs. */
export function reinstallScript(chosen: HostPackage): string {
  return `${withPackage(chosen)}
install_package "$package"
rm -rf "$folder"`;
}

/** A script for root that starts what is installed and enrolled, by the configuration of the enrolment. */
export function startScript(caFingerprint: string): string {
  return `${HEAD}alone
ca_fingerprint=${shellWord(caFingerprint)}
start_units hostward-compiler.socket hostward-sensor.service hostward-agent.service`;
}
