#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many short runs in a row: no hang, no leak, every status 0, the last hundred as fast as the first (which is printed, not judged). SOAK_RUNS (default
# 200) in each mode, SOAK_CONTAINER_RUNS of containers.

load ../helpers

setup_file() {
	setup_file_bundle
	configure_command /bin/true
}

teardown_file() {
	teardown_file_bundle
}

# The machine's processes of such runs, mounts, cgroups of the runs, open files, cgroups with those that only wait to be freed, and MiB of the kernel's own memory;
# a little more is what the suite itself does.
machine_counts() {
	echo "$(pgrep -cx 'duet|true' || true) $(wc -l </proc/self/mountinfo) $(find /sys/fs/cgroup -type d -name '*soak-*' | wc -l)" \
		"$(cut -f1 /proc/sys/fs/file-nr) $(awk 'NR > 1 { sum += $3 } END { print sum }' /proc/cgroups)" \
		"$(awk '/^(SUnreclaim|KernelStack|PageTables|Percpu):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)"
}

# What the kernel takes away later, by workers of its own: network namespaces, cgroups.
let_settle() {
	local before
	for ((i = 0; i < 20; i++)); do
		before=$(machine_counts)
		sleep 0.5
		[ "$before" != "$(machine_counts)" ] || return 0
	done
}

# many_runs ISOLATION RUNS
many_runs() {
	local before after begin hundred first=0 last=0
	let_settle
	before=$(machine_counts)
	begin=$SECONDS hundred=${EPOCHREALTIME/[.,]/}
	for ((i = 1; i <= $2; i++)); do
		status=0
		DUET_TEST_TIMEOUT=300 duet run --isolation="$1" -b "$BUNDLE" "soak-$i" </dev/null || status=$?
		[ $status -eq 0 ] || fail "run $i ended with status $status"
		if ((i % 100 == 0)); then
			last=$(((${EPOCHREALTIME/[.,]/} - hundred) / 100)) hundred=${EPOCHREALTIME/[.,]/}
			((first > 0)) || first=$last
		fi
	done
	let_settle
	after=$(machine_counts)
	echo "# $1: $2 runs in $((SECONDS - begin)) s, of the first hundred $first us each, of the last $last us" >&3
	echo "# processes, mounts, cgroups, open files, cgroups in all, kernel memory in MiB before: $before, after: $after" >&3
	read -r -a b <<<"$before"
	read -r -a a <<<"$after"
	((a[0] <= b[0] + 5)) || fail "processes are left"
	((a[1] == b[1])) || fail "mounts are left"
	((a[2] == b[2])) || fail "cgroups are left"
	((a[3] <= b[3] + 300)) || fail "open files are left"
	((a[4] <= b[4] + 100 + $2 / 100)) || fail "cgroups stay with the kernel"
	((a[5] <= b[5] + 100)) || fail "memory stays with the kernel"
	assert_nothing_left
}

@test "containers in a row" {
	many_runs container "${SOAK_CONTAINER_RUNS:-${SOAK_RUNS:-200}}"
}

@test "micro-VMs in a row" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	many_runs microvm "${SOAK_RUNS:-200}"
}
