#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does `duet bench` agree with independent tools on this machine: start-up with hyperfine, the null system call and the pipe ping-pong with
# `perf bench` (linux-perf)? And do two of its runs agree? The tools take turns, since a machine drifts. Prints the differences; ends with 1
# when one is too large.
# ROUNDS= sets the number of turns (default 30).
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
export DUET=$build/duet
rounds=${ROUNDS:-30}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/duet-bench-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Of all turns' figures the lower quartile: what other processes' time slices add is in the upper half.
quartile() {
	sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 3) / 4)] }'
}

# The command that `duet bench --bundle` times: the bundle's process is the measuring program, below /dev.
make_command() {
	"$scripts/make-bundle.sh" busybox "$work/bundle" /bin/true
	mkdir "$work/run"
	mkdir "$work/inside"
	cp "$build/guest/measure" "$work/inside/measure"
	jq --arg inside "$work/inside" --arg root "$work/bundle/rootfs" '.process.args = ["/dev/duet-bench/measure", "hello"] |
		.process.terminal = false | .process.cwd = "/" | .root.path = $root |
		.mounts += [{ destination: "/dev/duet-bench", type: "bind", source: $inside, options: ["rbind", "rw", "nosuid"] }]' \
		"$work/bundle/config.json" >"$work/run/config.json"
}

# samples SUITE CASE COLUMN: of a report on standard input, in nanoseconds.
samples() {
	jq --arg suite "$1" --arg case "$2" --arg column "$3" '.suites[] | select(.name == $suite) | .cases[] | select(.name == $case) |
		.results[] | select(.column == $column) | .samples[]'
}

measure_startup() {
	"${urgent[@]}" "$DUET" bench --bundle "$work/bundle" --isolation=container --suite=startup --runs=3 --format=json | samples startup run container >>"$work/ours.startup"
	"${urgent[@]}" hyperfine -N --warmup 1 --runs 3 --export-json "$work/hyperfine.json" \
		"$DUET --root $work/state run --bundle $work/run --isolation=container check" >/dev/null 2>&1
	jq '.results[0].times[] * 1e9' "$work/hyperfine.json" >>"$work/theirs.startup"
}

# Before other processes, where that is allowed: both tools the same. (A real-time process cannot join a new control group.)
first=() urgent=()
if nice -n -20 true 2>/dev/null; then
	urgent=(nice -n -20)
fi
if chrt --fifo 1 true 2>/dev/null; then
	first=(chrt --fifo 1)
fi

measure_calls() {
	"${first[@]}" "$DUET" bench --isolation=host --suite=syscalls --runs=2 --format=json >"$work/report.json"
	samples syscalls getpid host <"$work/report.json" >>"$work/ours.getpid"
	samples syscalls pipe host <"$work/report.json" >>"$work/ours.pipe"
	# Short ones: in a long one somebody else's time slices are counted.
	for _ in {1..2}; do
		"${first[@]}" perf bench syscall basic --loop 20000 2>/dev/null | awk '/usecs\/op/ { print $1 * 1000 }' >>"$work/theirs.getpid"
		"${first[@]}" perf bench sched pipe --loop 20000 2>/dev/null | awk '/usecs\/op/ { print $1 * 1000 }' >>"$work/theirs.pipe"
	done
}

status=0
# compare NAME TITLE TOOL BOUND
compare() {
	local ours theirs
	ours=$(quartile <"$work/ours.$1") theirs=$(quartile <"$work/theirs.$1")
	awk -v title="$2" -v tool="$3" -v bound="$4" -v ours="$ours" -v theirs="$theirs" 'BEGIN {
		difference = (ours / theirs - 1) * 100
		far = difference > bound || difference < -bound
		printf "%-28s duet bench %12.1f ns   %-12s %12.1f ns   %+6.1f %% (bound %d %%)%s\n", title, ours, tool, theirs, difference, bound,
			far ? "  DIFFERS" : ""
		exit far }' || status=1
}

# Ratios of two reports whose intervals have no point in common: at most one in twenty.
compare_runs() {
	local run
	for run in 1 2; do
		"$DUET" bench --isolation=host,container --suite=startup,syscalls --runs=20 --format=json >"$work/run$run.json"
	done
	jq -rn --slurpfile first "$work/run1.json" --slurpfile second "$work/run2.json" '
		def ratios: [.suites[].cases[] | .name as $case | .results[] | select(.ratio) | { key: "\($case) \(.column)", value: .ratio }] | from_entries;
		($first[0] | ratios) as $a | ($second[0] | ratios) as $b | [$a | keys[] | select($b[.])] as $all |
		[$all[] | select($a[.].low > $b[.].high or $b[.].low > $a[.].high)] as $apart |
		"ratios of two runs           \($all | length) in both, \(($all | length) - ($apart | length)) agree within their intervals",
		($apart[] | "  apart: \(.): \($a[.].low) to \($a[.].high), \($b[.].low) to \($b[.].high)"),
		if ($apart | length) * 20 > ($all | length) then "DIFFERS" else empty end' | tee "$work/runs"
	! grep -q '^DIFFERS' "$work/runs" || status=1
}

make_command
for ((round = 0; round < rounds; round++)); do
	measure_startup
	measure_calls
done
compare startup "start-up of a container" hyperfine 10
compare getpid "null system call" "perf bench" 15
compare pipe "pipe ping-pong" "perf bench" 15
compare_runs
exit $status
