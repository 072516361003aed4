#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh PROGRAMS SECONDS TARGET...: runs each libFuzzer target for so long, from its corpus in the tree (which stays as it is), and prints a
# line for each. What makes one fail is kept under PROGRAMS/findings. Options of a target: a line "libFuzzer: -OPTION=VALUE..." in its source.
# As many run at once as there are processors, or FUZZ_JOBS=.
set -euo pipefail

programs=$1 seconds=$2
shift 2
tests=$(cd "$(dirname "$0")/../tests/fuzz" && pwd)
findings=$programs/findings
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$findings"
failed=0

statistic() { # LOG NAME
	sed -n "s/^stat::$2: *//p" "$1"
}

fuzz() { # TARGET
	local target=$1 name=${1#fuzz_} log=$findings/$1.log corpora options status=0 covered
	mkdir "$work/$name"
	corpora=("$work/$name")
	[ ! -d "$tests/corpus/$name" ] || corpora+=("$tests/corpus/$name")
	read -ra options < <(sed -n 's/^.*libFuzzer: \(-.*[^ ]\) *\(\*\/\)\{0,1\}$/\1/p' "$tests/$target.c") || true
	timeout -k 5 $((seconds + 60)) "$programs/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$findings/$target-" "${options[@]}" "${corpora[@]}" >"$log" 2>&1 || status=$?
	covered=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)
	if [ $status -eq 0 ]; then
		printf 'fuzz: %-22s %8s runs, %s, no finding\n' "$target" "$(statistic "$log" number_of_executed_units)" "${covered:-no coverage}"
	else
		printf 'fuzz: %-22s FAILED (status %d): %s\n      all of it: %s\n' "$target" $status \
			"$(grep -m 1 -E 'ERROR|runtime error|SUMMARY' "$log" || tail -n 1 "$log")" "$log"
	fi
	return $status
}

running=0
for target; do
	if [ $running -ge "${FUZZ_JOBS:-$(nproc)}" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
	fuzz "$target" &
	running=$((running + 1))
done
while [ $running -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit $failed
