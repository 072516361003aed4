#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many sleeping containers at once, made one after another: does the last hundred take as long as the first, how long does `list` take, what does
# one cost in memory, is anything left? Prints figures, and writes them to BUILD/bench-density.json; only what is left is a failure.
#   bench-density.sh BUILD      CONTAINERS= sets their number (default 1000)
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
# The state is on a tmpfs, as /run is, that nobody else sees.
if [ "${DUET_BENCH_INSIDE:-}" != yes ]; then
	exec unshare -m env DUET_BENCH_INSIDE=yes "$0" "$build"
fi
count=${CONTAINERS:-1000}
export DUET=$build/duet
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-density.XXXXXX")
mkdir "$work/state"
mount -t tmpfs -o mode=0700 tmpfs "$work/state"
duet=("$DUET" --root "$work/state")

cleanup() {
	"${duet[@]}" delete --force --regex '^density-' >/dev/null 2>&1 || true
	umount "$work/state"
	rm -rf "$work"
}
trap cleanup EXIT

# now: microseconds.
now() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# Microseconds of processor time that the commands of this script have taken, into the variable "spent": a subshell would count its own.
count_spent() {
	times >"$work/times"
	spent=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, part, /[ms]/); total += part[1] * 60 + part[2] } printf "%d\n", total * 1e6 }' \
		"$work/times")
}

# Processes, mounts, cgroups and directories of state that are the containers'.
left() {
	echo "$(pgrep -cf 'sleep 987654' || true) $(grep -c "$work/bundle" /proc/self/mountinfo || true) $(find /sys/fs/cgroup -type d -name 'density-*' | wc -l)" \
		"$(find "$work/state" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | wc -l)"
}

available_kib() {
	awk '/^MemAvailable/ { print $2 }' /proc/meminfo
}

"$scripts/make-bundle.sh" busybox "$work/bundle" sleep 987654
cd "$work/bundle"
jq 'del(.process.rlimits)' config.json >config.json.new
mv config.json.new config.json
"${duet[@]}" run --detach density-warm </dev/null >/dev/null 2>&1
"${duet[@]}" delete --force density-warm

echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), kernel $(uname -r), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
memory=$(available_kib)
hundreds=() cpus=()
for ((done = 0; done < count;)); do
	step=$((count - done < 100 ? count - done : 100)) begin=$(now)
	count_spent
	before=$spent
	for ((end = done + step; done < end; done++)); do
		"${duet[@]}" run --detach "density-$done" </dev/null >/dev/null 2>&1
	done
	hundreds+=($((($(now) - begin) / step)))
	count_spent
	cpus+=($(((spent - before) / step)))
	echo "$done containers: the last $step took ${hundreds[-1]} us each, ${cpus[-1]} us of processor time"
done
memory=$(((memory - $(available_kib)) / count))
begin=$(now)
listed=$("${duet[@]}" list | grep -c "^density-")
list_us=$(($(now) - begin))
[ "$listed" -eq "$count" ] || {
	echo "list shows $listed of $count containers"
	exit 1
}
begin=$(now)
"${duet[@]}" delete --force --regex '^density-'
delete_us=$((($(now) - begin) / count))

jq -n --argjson containers "$count" --argjson memory "$memory" --argjson list "$list_us" --argjson delete "$delete_us" '
	($ARGS.positional | .[:length / 2]) as $hundreds | ($ARGS.positional | .[length / 2:]) as $cpus
	| {containers: $containers, create_us: $hundreds, create_cpu_us: $cpus, last_to_first: ($hundreds[-1] / $hundreds[0]),
		last_to_first_cpu: ($cpus[-1] / $cpus[0]), list_us: $list, delete_us: $delete,
		memory_kib: $memory}' --jsonargs "${hundreds[@]}" "${cpus[@]}" >"$build/bench-density.json"
jq -r '"the last hundred to the first: \(.last_to_first * 100 | round / 100) (processor time: \(.last_to_first_cpu * 100 | round / 100)); list: \(.list_us / 1000) ms; delete: \(.delete_us / 1000) ms each; memory of the machine: \(.memory_kib) KiB each"' \
	"$build/bench-density.json"
remains=$(left)
[ "$remains" = "0 0 0 0" ] || {
	echo "processes, mounts, cgroups, states left: $remains"
	exit 1
}
