#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many short runs in a row: no hang, no leak, every status 0. SOAK_RUNS (default 200) in each mode.

load ../helpers

setup_file() {
	setup_file_bundle
	configure_command /bin/true
}

teardown_file() {
	teardown_file_bundle
}

# The machine's open files, processes, mounts and cgroups; a little more is what the suite itself does.
machine_counts() {
	echo "$(ls -d /proc/[0-9]* | wc -l) $(wc -l </proc/self/mountinfo) $(find /sys/fs/cgroup -type d -name '*soak-*' | wc -l) $(cut -f1 /proc/sys/fs/file-nr)"
}

many_runs() {
	local before after begin=$SECONDS
	before=$(machine_counts)
	for ((i = 1; i <= ${SOAK_RUNS:-200}; i++)); do
		status=0
		DUET_TEST_TIMEOUT=300 duet run --isolation="$1" -b "$BUNDLE" "soak-$i" </dev/null || status=$?
		[ $status -eq 0 ] || fail "run $i ended with status $status"
	done
	after=$(machine_counts)
	echo "# $1: ${SOAK_RUNS:-200} runs in $((SECONDS - begin)) s; processes, mounts, cgroups, open files before: $before, after: $after" >&3
	read -r -a b <<<"$before"
	read -r -a a <<<"$after"
	((a[0] <= b[0] + 5)) || fail "processes are left"
	((a[1] == b[1])) || fail "mounts are left"
	((a[2] == b[2])) || fail "cgroups are left"
	((a[3] <= b[3] + 300)) || fail "open files are left"
	assert_nothing_left
}

@test "containers in a row" {
	many_runs container
}

@test "micro-VMs in a row" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	many_runs microvm
}
