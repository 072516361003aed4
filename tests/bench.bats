#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet bench: that it measures, says what it left out, writes what it documents and leaves nothing. No figure is judged.

load helpers

setup_file() {
	export SCRATCH
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	TMPDIR=$SCRATCH "$DUET" bench --isolation=host,container --suite=startup,syscalls --runs=2 --format=json >"$SCRATCH/report.json"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

bench() {
	TMPDIR=$SCRATCH timeout 100 "$DUET" bench "$@"
}

@test "every case has samples in both columns, or the reason why not" {
	run jq -r '.suites[].cases[] | .name as $case | .results[] | select(.skipped) | "\($case) \(.column): \(.skipped)"' "$SCRATCH/report.json"
	[ "$status" -eq 0 ]
	# A machine with one processor has no other one to hand over to.
	run grep -vE '^(create|start|delete) host: there is no runtime|^at-[a-z]+ (host: it has no trace|container: there is no guest)|^futex .*: there is one processor' <<<"$output"
	[ -z "$output" ]
	[ "$(jq '[.suites[] | select(.name == "syscalls") | .cases[]] | length' "$SCRATCH/report.json")" -ge 20 ]
}

@test "counts, rounds and quantiles of a report agree" {
	jq -e 'all(.suites[].cases[].results[] | select(.samples);
		.count == (.samples | length) and .count == (.rounds | add) and .minimum == (.samples | min) and
		.minimum <= .median and .median <= .p95 and .p95 <= .p99)' "$SCRATCH/report.json"
	jq -e 'all(.suites[].cases[].results[].ratio | select(.); .low <= .value and .value <= .high)' "$SCRATCH/report.json"
}

@test "the JSON report is valid by its schema" {
	run python3 -c 'import json, sys
try:
	import jsonschema
except ImportError:
	sys.exit(77)
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' "$SCRATCH/report.json" "$TOP/docs/bench.schema.json"
	[ "$status" -ne 77 ] || skip "python3-jsonschema is not installed"
	[ "$status" -eq 0 ]
}

@test "every column says on which kernel it ran, and a kept report is read as it was" {
	jq -e --arg kernel "$(uname -r)" '.columns | length == 2 and all(.kernel == $kernel)' "$SCRATCH/report.json"
	"$DUET" bench --from "$SCRATCH/report.json" --format=json | cmp - "$SCRATCH/report.json"
}

@test "CSV has a line for every case and column" {
	run bench --isolation=container --suite=startup --runs=1 --format=csv
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 19 ]
	run awk -F, 'NF != 15 { print }' <<<"$(tr -d '\r' <<<"$output" | grep -v '"')"
	[ -z "$output" ]
}

@test "a runtime that is not installed is left out, and the report says so" {
	run bench --isolation=host --suite=startup,exits --runs=1 --vs=no-such-runtime
	[ "$status" -eq 0 ]
	[[ $output == *"left out: no-such-runtime: it is not installed"* ]]
	[[ $output == *"exits are not counted"* ]]
}

@test "what is measured is another bundle's wall, and its root is left as it was" {
	"$TOP/scripts/make-bundle.sh" busybox "$SCRATCH/bundle"
	(cd "$SCRATCH/bundle" && find . | sort) >"$SCRATCH/before"
	run bench --bundle="$SCRATCH/bundle" --isolation=container --suite=startup,workloads --runs=1 --format=json
	[ "$status" -eq 0 ]
	jq -e '.suites[0].cases[0].results[0].count == 1' <<<"$output"
	# No compiler in there.
	jq -e '.suites[1].cases[] | select(.name == "build") | .results[0].skipped | test("no program cc")' <<<"$output"
	(cd "$SCRATCH/bundle" && find . | sort) | diff "$SCRATCH/before" -
}

@test "progress is shown on a terminal, and in no file" {
	run env TMPDIR="$SCRATCH" script -qec "'$DUET' bench --isolation=host --suite=syscalls --runs=2 >'$SCRATCH/out'" /dev/null
	[ "$status" -eq 0 ]
	[[ $output == *" %  "*"left)"* ]]
	run grep -c "left)" "$SCRATCH/out"
	[ "$output" -eq 0 ]
	TMPDIR=$SCRATCH "$DUET" bench --isolation=host --suite=syscalls --runs=1 >/dev/null 2>"$SCRATCH/err"
	[ ! -s "$SCRATCH/err" ]
}

@test "an interrupt prints what was measured so far, and nothing is left" {
	TMPDIR=$SCRATCH "$DUET" bench --isolation=host,container --suite=startup,syscalls --runs=5000 --format=json >"$SCRATCH/part.json" &
	local pid=$!
	sleep 1
	kill -INT $pid
	local status=0
	wait $pid || status=$?
	[ $status -eq 130 ]
	jq -e '.interrupted and .suites[0].cases[0].results[0].count > 1' "$SCRATCH/part.json"
	run pgrep -f "$SCRATCH/duet-bench"
	[ -z "$output" ]
	[ -z "$(find "$SCRATCH" -maxdepth 1 -name 'duet-bench.*')" ]
}

@test "what is wrong on its command line is said in one line" {
	run bench --suite=startup,nothing
	[ "$status" -eq 1 ]
	[[ $output == *'there is no "nothing" ('*files* ]]
	run bench --bundle /nonexistent
	[ "$status" -eq 1 ]
	[ "$output" = "duet: read /nonexistent/config.json: No such file or directory" ]
	run bench --report /nonexistent/x.html
	[ "$status" -eq 1 ]
	[ "$output" = "duet: --report /nonexistent/x.html: write there: No such file or directory" ]
	run bench --runs=0
	[ "$status" -eq 1 ]
	[[ $output == *"--runs 0"* ]]
	run bench --format=xml
	[ "$status" -eq 1 ]
}
