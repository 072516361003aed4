#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench-sandbox.sh BUILD [ROUNDS]: the wall time of `duet sandbox -- true` and of bubblewrap's for the equivalent set-up, measured in turn: overlays over the
# root and the work directory, all namespaces, the same system call filter, the same directories hidden. bubblewrap before 0.9 has no overlays: a helper of a
# few lines mounts them, and what it costs to execute that helper is taken off again. bubblewrap has no limits and no report. Where systemd is the first process: systemd-run
# too, with nothing but --wait.
set -euo pipefail

build=$(cd "${1:-build}" && pwd)
rounds=${2:-50}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/duet-bench.XXXXXX")
# In memory, as the directory where containers are remembered by default.
state=$(mktemp -d /dev/shm/duet-bench.XXXXXX)
trap 'rm -rf "$scratch" "$state"' EXIT
# Its user namespace has to be able to go there.
chmod 755 "$scratch" "$state"
mkdir "$scratch/work" "$scratch/mount"
cd "$scratch/work"

duet=("$build/duet" --root "$state/state" sandbox --quiet -- true)
"${duet[@]}"
# The filter that this left in its cache: instructions of eight bytes behind a header.
filter=$(find "$state/state/.seccomp" -type f | head -n 1)
tail -c $(($(od -An -tu4 -j40 -N4 "$filter") * 8)) "$filter" >"$scratch/filter"

plain=(bwrap --unshare-all --die-with-parent --new-session --clearenv --ro-bind / / --tmpfs /tmp --bind "$PWD" "$PWD" --proc /proc --dev /dev --chdir "$PWD")
hidden=()
for name in /root /home /run /tmp /var/tmp /var/log /var/mail /var/spool /var/backups /etc/ssl/private /var/lib/docker /var/lib/containerd /var/lib/cloud; do
	[ ! -d "$name" ] || [ -L "$name" ] || hidden+=(--tmpfs "$name")
done
for name in /etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /etc/sudoers /etc/machine-id; do
	[ ! -f "$name" ] || hidden+=(--ro-bind /dev/null "$name")
done
bare=("$build/tests/tools/overlay_exec" "$scratch/mount")
equal=("${bare[@]}" / "$PWD" -- bwrap --unshare-all --die-with-parent --new-session --clearenv --bind "$scratch/mount/0" / "${hidden[@]}"
	--bind "$scratch/mount/1" "$PWD" --proc /proc --dev /dev --chdir "$PWD" --seccomp 9)

unit=(systemd-run --wait --quiet /bin/true)
has_systemd() {
	[ -d /run/systemd/system ]
}

# one RESULT COMMAND…: appends its wall time in microseconds.
one() {
	local result=$1 begin=$EPOCHREALTIME end
	shift
	"$@" 9<"$scratch/filter"
	end=$EPOCHREALTIME
	echo $((${end/./} - ${begin/./})) >>"$result"
}

median() {
	sort -n "$1" | sed -n "$((rounds / 2 + 1))p"
}

ratio() {
	printf '%d.%02d' $(($1 / $2)) $(($1 * 100 / $2 % 100))
}

for ((i = 0; i < rounds; i++)); do
	one "$scratch/duet" "${duet[@]}"
	one "$scratch/equal" "${equal[@]}" -- /bin/true
	one "$scratch/plain" "${plain[@]}" -- /bin/true
	! has_systemd || one "$scratch/unit" "${unit[@]}"
	one "$scratch/bare" "${bare[@]}" -- /bin/true
	one "$scratch/true" /bin/true
done
ours=$(median "$scratch/duet") binds=$(median "$scratch/plain")
helper=$(($(median "$scratch/bare") - $(median "$scratch/true")))
theirs=$(($(median "$scratch/equal") - helper))
printf 'duet sandbox -- true        %6d us (median of %d, in turn)\n' "$ours" "$rounds"
printf 'bwrap, equivalent set-up    %6d us (%d us for executing a helper taken off)\n' "$theirs" "$helper"
printf 'bwrap, bind mounts only     %6d us (no overlay, no system call filter, nothing hidden)\n' "$binds"
printf 'ratio to the equivalent     %6s, to bind mounts only %s\n' "$(ratio "$ours" "$theirs")" "$(ratio "$ours" "$binds")"
if has_systemd; then
	waited=$(median "$scratch/unit")
	printf 'systemd-run --wait          %6d us (the ratio to it: %s)\n' "$waited" "$(ratio "$ours" "$waited")"
fi
