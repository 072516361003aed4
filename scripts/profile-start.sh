#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where the time of a start goes: a table by phase of what `--trace-start` noted in many runs of the template bundle, medians in microseconds.
#   profile-start.sh BUILD [WORDS-OF-RUN…]      such as --vm; RUNS= sets the number of runs (default 50)
# "begins" counts from the command's main(). What a phase leaves to the phases in it is its own time.
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
shift || true
export DUET=$build/duet
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-profile.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$scripts/make-bundle.sh" busybox "$work/bundle" /bin/true
cd "$work/bundle"
for ((i = 0; i <= ${RUNS:-50}; i++)); do
	"$DUET" --root "$work/state" --trace-start "$work/trace.$i.json" run "$@" "p$i"
done
# The first one warmed the caches. The last is kept for a browser.
rm "$work/trace.0.json"
cp "$work/trace.${RUNS:-50}.json" "$build/trace-start.json"

echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), kernel $(uname -r), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
jq -s -r '
	def median: sort | .[length / 2 | floor];
	# Does the span hold the other one?
	def holds($other): .tid == $other.tid and . != $other and .ts <= $other.ts and .ts + .dur >= $other.ts + $other.dur;
	[.[] | (map(select(.ph == "M") | {key: (.tid | tostring), value: .args.name}) | from_entries) as $names
		| [.[] | select(.ph == "X")] as $all
		| [$all[] | . as $span | .depth = ([$all[] | select(holds($span))] | length)] as $spans
		| $spans[] | . as $span
		| .own = .dur - ([$spans[] | . as $other | select($other.depth == $span.depth + 1 and ($span | holds($other))) | .dur] | add // 0)
		| .process = $names[.tid | tostring]]
	| group_by([.tid, .name])
	| map({tid: .[0].tid, process: .[0].process, name: .[0].name, depth: (map(.depth) | median), begins: (map(.ts) | median),
		lasts: (map(.dur) | median), own: (map(.own) | median), times: length})
	| sort_by([.tid, .begins])[]
	| [.process, ("  " * .depth) + .name, .begins, .lasts, ([.own, 0] | max)] | @tsv' "$work"/trace.*.json |
	awk -F'\t' 'BEGIN { printf "%-10s %-46s %10s %10s %10s\n", "process", "phase", "begins", "lasts", "own" }
		{ printf "%-10s %-46s %10.0f %10.0f %10.0f\n", $1, $2, $3, $4, $5 }'
echo "the last run, for chrome://tracing or ui.perfetto.dev: $build/trace-start.json"
