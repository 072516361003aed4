#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh PROGRAMS SECONDS TARGET...: runs each libFuzzer target for so long, from its corpus in the tree (which stays as it is), and prints a
# line for each. What makes one fail is kept under PROGRAMS/findings. Options of a target: a line "libFuzzer: -OPTION=VALUE..." in its source.
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

for target; do
	name=${target#fuzz_}
	log=$findings/$target.log
	mkdir "$work/$name"
	corpora=("$work/$name")
	[ ! -d "$tests/corpus/$name" ] || corpora+=("$tests/corpus/$name")
	read -ra options < <(sed -n 's/^.*libFuzzer: \(-.*[^ ]\) *\(\*\/\)\{0,1\}$/\1/p' "$tests/$target.c") || true
	status=0
	timeout -k 5 $((seconds + 60)) "$programs/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$findings/$target-" "${options[@]}" "${corpora[@]}" >"$log" 2>&1 || status=$?
	covered=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)
	if [ $status -eq 0 ]; then
		printf 'fuzz: %-22s %8s runs, %s, no finding\n' "$target" "$(statistic "$log" number_of_executed_units)" "${covered:-no coverage}"
	else
		printf 'fuzz: %-22s FAILED (status %d): %s\n' "$target" $status "$(grep -m 1 -E 'ERROR|runtime error|SUMMARY' "$log" || tail -n 1 "$log")"
		echo "      all of it: $log"
		failed=1
	fi
done
exit $failed
