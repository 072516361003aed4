#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One bundle, two walls, side by side: output, exit status, kernel, time to the first output, memory.
set -euo pipefail

build=$(cd "${1:-build}" && pwd)
scripts=$(cd "$(dirname "$0")" && pwd)
export DUET=$build/duet
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-demo.XXXXXX")
ids=()

finish() {
	for id in "${ids[@]}"; do
		"$DUET" --root "$work/state" delete --force "$id" || true
	done
	rm -rf "$work"
}
trap finish EXIT

# run_one ISOLATION BUNDLE NAME: fills $work/NAME.{out,err,status,first,memory}
run_one() {
	local isolation=$1 bundle=$2 name=$3 begin id=demo-$3 first='' pid
	ids+=("$id")
	begin=$(date +%s%N)
	mkfifo "$work/$name.fifo"
	"$DUET" --root "$work/state" run --isolation="$isolation" -b "$bundle" "$id" >"$work/$name.fifo" 2>"$work/$name.err" &
	pid=$!
	while IFS= read -r line; do
		if [ -z "$first" ]; then
			first=$((($(date +%s%N) - begin) / 100000))
			echo "$((first / 10)).$((first % 10)) ms" >"$work/$name.first"
			[ "$isolation" = container ] || memory "$id" >"$work/$name.memory"
		fi
		printf '%s\n' "$line"
	done <"$work/$name.fifo" >"$work/$name.out"
	local status=0
	wait $pid || status=$?
	echo $status >"$work/$name.status"
	# It may be gone faster than it can be looked at: then one that waits for its start is.
	if ! grep -q MiB "$work/$name.memory" 2>/dev/null; then
		"$DUET" --root "$work/state" create --isolation="$isolation" -b "$bundle" "$id" </dev/null >/dev/null
		memory "$id" >"$work/$name.memory"
		"$DUET" --root "$work/state" delete --force "$id"
	fi
	[ -e "$work/$name.first" ] || echo - >"$work/$name.first"
	[ -s "$work/$name.memory" ] || echo - >"$work/$name.memory"
}

# Proportional memory of the container's processes, or of the monitor, at the first output.
memory() {
	local pid
	pid=$("$DUET" --root "$work/state" state "$1" 2>/dev/null | jq .pid) || pid=0
	awk '/^Pss:/ { kib += $2 } END { printf "%.1f MiB\n", kib / 1024 }' "/proc/$pid/smaps_rollup" 2>/dev/null || echo -
}

row() {
	printf '  %-22s | %-36s | %-36s\n' "$1" "$2" "$3"
}

compare() {
	local title=$1 bundle=$2 key=$3 line_c line_v
	echo
	echo "$title"
	run_one container "$bundle" "$key-container"
	echo "  (the micro-VM boots a kernel of its own now; seconds, where KVM is software only)"
	run_one microvm "$bundle" "$key-microvm"
	row "" container micro-VM
	row "----------------------" "------------------------------------" "------------------------------------"
	while IFS= read -r line_c <&3 || [ -n "${line_c:-}" ]; do
		IFS= read -r line_v <&4 || line_v=
		row output "$line_c" "$line_v"
	done 3<"$work/$key-container.out" 4<"$work/$key-microvm.out"
	row "exit status" "$(cat "$work/$key-container.status")" "$(cat "$work/$key-microvm.status")"
	row "time to first output" "$(cat "$work/$key-container.first")" "$(cat "$work/$key-microvm.first")"
	row "memory (proportional)" "$(cat "$work/$key-container.memory")" "$(cat "$work/$key-microvm.memory")"
	sed 's/^/  container: /' "$work/$key-container.err"
	sed 's/^/  micro-VM: /' "$work/$key-microvm.err"
	[ "$(cat "$work/$key-container.status")" = 7 ] && [ "$(cat "$work/$key-microvm.status")" = 7 ] || {
		echo "duet demo: both should have ended with status 7" >&2
		exit 1
	}
	# The same output, but for the kernel's release.
	diff <(grep -vE '^[0-9]+\.[0-9]+\.[0-9]+[-.]?' "$work/$key-container.out") \
		<(grep -vE '^[0-9]+\.[0-9]+\.[0-9]+[-.]?' "$work/$key-microvm.out") >&2 || {
		echo "duet demo: the outputs differ" >&2
		exit 1
	}
}

echo "making a busybox bundle and a Debian bundle (the first time this takes a minute)"
"$scripts/make-bundle.sh" busybox "$work/busybox" sh -c 'echo "hello from busybox"; uname -r; id; exit 7'
"$scripts/make-bundle.sh" debian "$work/debian" sh -c 'cat /etc/debian_version; uname -r; id; exit 7'
compare "busybox: sh -c 'echo …; uname -r; id; exit 7'" "$work/busybox" busybox
compare "Debian: sh -c 'cat /etc/debian_version; uname -r; id; exit 7'" "$work/debian" debian
echo
echo "Both walls: the same bundle, the same output, the same exit status."
