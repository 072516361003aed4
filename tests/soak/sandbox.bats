#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many sandboxes in a row (SANDBOX_RUNS, default 500) and many at once (SANDBOX_JOBS, default 50): every status 0, nothing left, and how much slower the last
# ones were than the first. Where nothing else runs: the medians of the first and the last tenth.

load ../helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	chmod 755 "$SCRATCH"
	mkdir "$SCRATCH/work"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

# Processes of ours, the machine's mounts, cgroups and open files.
machine_counts() {
	echo "$(pgrep -f -c "$ROOT") $(wc -l </proc/self/mountinfo) $(find /sys/fs/cgroup -type d -name '*sandbox-*' | wc -l) $(cut -f1 /proc/sys/fs/file-nr)"
}

# series RUNS JOBS OPTIONS…: in one series, with its report.
series() {
	local before after runs=$1 jobs=$2
	shift 2
	before=$(machine_counts)
	(cd "$SCRATCH/work" && DUET_TEST_TIMEOUT=2800 duet sandbox --quiet --repeat "$runs" --jobs "$jobs" --report "$SCRATCH/report.json" "$@" -- true)
	after=$(machine_counts)
	[ "$(jq '[.runs[] | select(.exitCode == 0)] | length' "$SCRATCH/report.json")" -eq "$runs" ]
	echo "# $runs runs, $jobs at a time $*: processes, mounts, cgroups, open files before: $before, after: $after" >&3
	jq -r 'def median: sort | .[length / 2 | floor]; [.runs[].usage | .startMs + .wallMs] | (length / 10 | ceil) as $tenth |
		(.[:$tenth] | median) as $first | (.[-$tenth:] | median) as $last |
		"# start and run, median of the first tenth \($first) ms, of the last \($last) ms: \(if $first > 0 then ($last / $first * 100 - 100 | round) else 0 end) % slower"' \
		"$SCRATCH/report.json" >&3
	read -r -a b <<<"$before"
	read -r -a a <<<"$after"
	((a[0] == b[0])) || fail "processes are left"
	((a[1] == b[1])) || fail "mounts are left"
	((a[2] == b[2])) || fail "cgroups are left"
	((a[3] <= b[3] + 300)) || fail "open files are left"
	assert_nothing_left
	[ -z "$(find "$ROOT/.sandbox" -mindepth 1)" ] || fail "a sandbox's directory is left"
}

@test "containers in a row" {
	series "${SANDBOX_RUNS:-500}" 1
}

@test "containers side by side" {
	series "${SANDBOX_RUNS:-500}" "${SANDBOX_JOBS:-50}"
}

@test "hostile containers side by side" {
	cp "$BUILD/tests/sandbox/hostile" "$SCRATCH/work/"
	status=0
	(cd "$SCRATCH/work" && DUET_TEST_TIMEOUT=600 duet sandbox --quiet --repeat 40 --jobs 20 --timeout 2s --grace 0 --pids 16 --memory 64M --report "$SCRATCH/report.json" -- \
		./hostile runaway) || status=$?
	[ $status -eq 124 ]
	[ "$(jq -c '[.runs[].status] | unique' "$SCRATCH/report.json")" = '["timed-out"]' ]
	! pgrep -f '^\./hostile' || fail "processes are left"
}

@test "micro-VMs in a row, and side by side" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	series "${SANDBOX_VMS:-20}" 1 --vm
	series "${SANDBOX_VMS:-20}" 4 --vm
}
