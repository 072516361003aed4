#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where something runs out: one line says what, and nothing is left behind.

load helpers

setup_file() {
	setup_file_bundle
	mkdir -p "$SCRATCH/tiny"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
	[ -z "$(find /sys/fs/cgroup -name 'duet-test-x*' 2>/dev/null)" ]
}

# with_state_on MOUNT_OPTIONS COMMAND…: the command in a mount namespace where $TINY is a tmpfs of its own.
with_state_on() {
	local options=$1
	shift
	TINY=$SCRATCH/tiny unshare -m sh -c 'mount -t tmpfs -o "$1" tmpfs "$TINY" && shift && exec "$@"' - "$options" "$@"
}

@test "a full state directory: create and run say so, and leave nothing" {
	local options
	configure '.process.args = ["true"] | .linux.cgroupsPath = "/duet-test-x"'
	for options in size=4k size=8k nr_inodes=2 nr_inodes=3 nr_inodes=4; do
		run --separate-stderr with_state_on "$options" sh -c '
			"$DUET" --root "$TINY/state" create -b "$BUNDLE" x </dev/null >/dev/null; echo "create $?"
			"$DUET" --root "$TINY/state" run -b "$BUNDLE" x </dev/null; echo "run $?"
			find "$TINY" -mindepth 2'
		[ "$output" = $'create 1\nrun 1' ] || fail "$options: $output"
		[ "${#stderr_lines[@]}" -eq 2 ] || fail "$options: $stderr"
		[[ "${stderr_lines[0]}" == *"No space left on device" && "${stderr_lines[1]}" == *"No space left on device" ]] ||
			fail "$options: $stderr"
	done
}

@test "a state directory that becomes full or read-only after create does not hold the container up" {
	configure '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "/duet-test-x"'
	run --separate-stderr with_state_on size=1m sh -c '
		"$DUET" --root "$TINY/state" create -b "$BUNDLE" x </dev/null >/dev/null 2>&1 || echo "create $?"
		head -c 2m /dev/zero >"$TINY/filler" 2>/dev/null
		"$DUET" --root "$TINY/state" start x; echo "start $?"
		"$DUET" --root "$TINY/state" state x | jq -r .status
		"$DUET" --root "$TINY/state" delete --force x; echo "delete $?"
		"$DUET" --root "$TINY/state" list -q'
	[ "$output" = $'start 0\nrunning\ndelete 0' ]
	[[ "$stderr" == *"No space left on device" ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	run --separate-stderr with_state_on size=1m sh -c '
		"$DUET" --root "$TINY/state" create -b "$BUNDLE" x </dev/null >/dev/null 2>&1 || echo "create $?"
		mount -o remount,ro "$TINY"
		"$DUET" --root "$TINY/state" create -b "$BUNDLE" y </dev/null; echo "create $?"
		"$DUET" --root "$TINY/state" delete --force x; echo "delete $?"
		mount -o remount,rw "$TINY"
		"$DUET" --root "$TINY/state" delete --force x; echo "delete $?"'
	[ "$output" = $'create 1\ndelete 1\ndelete 0' ]
	[[ "${stderr_lines[0]}" == *"Read-only file system" && "${stderr_lines[1]}" == *"Read-only file system" ]]
}

@test "a limit on memory that is too low to start is named, with the limit" {
	local limit
	for limit in 4096 65536; do
		configure '.process.args = ["true"] | .linux.cgroupsPath = "/duet-test-x"
			| .linux.resources = {"memory": {"limit": ($ARGS.positional[0] | tonumber), "swap": ($ARGS.positional[0] | tonumber)}}' $limit
		run --separate-stderr duet_run
		[ "$status" -ne 0 ]
		[ "${#stderr_lines[@]}" -eq 1 ] || fail "$stderr"
		[[ "$stderr" == *"memory limit of $((limit / 1024)) KiB"* ]] || fail "$stderr"
	done
}

@test "a container starts under a memory limit of one MiB" {
	configure '.process.args = ["true"] | .linux.resources = {"memory": {"limit": 1048576, "swap": 1048576}}'
	duet_run </dev/null
	configure '.process.args = ["sleep", "1000"] | .linux.resources = {"memory": {"limit": 1048576, "swap": 1048576}}'
	duet_create x </dev/null >/dev/null 2>&1
	duet start x
	duet exec x true
	duet delete --force x
}

@test "a process that is killed for its memory is named as such, with the limit" {
	local id
	configure '.process.args = ["tail", "/dev/zero"] | .linux.cgroupsPath = "/duet-test-x"
		| .linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}}'
	run --separate-stderr duet_run
	[ "$status" -eq 137 ]
	[[ "$stderr" == *"its process was killed by the out-of-memory killer: the memory limit of 32 MiB (33554432 bytes) was reached" ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	# A child of it, and a process of exec.
	configure '.process.args = ["sh", "-c", "tail /dev/zero 2>/dev/null; exit 3"] | .linux.cgroupsPath = "/duet-test-x"
		| .linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}}'
	run --separate-stderr duet_run
	[ "$status" -eq 3 ]
	[[ "$stderr" == *"1 of its processes was killed by the out-of-memory killer"* ]]
	configure '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "/duet-test-x"
		| .linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}}'
	id=$(new_id)
	duet_create "$id" </dev/null >/dev/null 2>&1
	duet start "$id"
	run --separate-stderr duet exec "$id" tail /dev/zero
	[ "$status" -eq 137 ]
	[[ "$stderr" == *"out-of-memory killer: the memory limit of 32 MiB"* ]]
	# Who died of something else is not explained with it.
	run --separate-stderr duet exec "$id" sh -c 'kill -9 $$'
	[ "$status" -eq 137 ]
	[ -z "$stderr" ]
	duet delete --force "$id"
}

@test "a limit on processes that is reached is named" {
	local group
	group=/sys/fs/cgroup/duet-test-x
	[ ! -d /sys/fs/cgroup/pids ] || group=/sys/fs/cgroup/pids/duet-test-x
	configure_command true
	mkdir "$group"
	echo 1 >"$group/pids.max"
	run --separate-stderr sh -c 'echo 0 >"$1/cgroup.procs" && exec "$DUET" --root "$ROOT" --cgroup-manager disabled run -b "$BUNDLE" x' \
		- "$group" </dev/null
	rmdir "$group"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"limit on the number of processes"* ]] || fail "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	configure '.process.args = ["sh", "-c", "true & wait"] | .linux.resources = {"pids": {"limit": 1}}'
	run --separate-stderr duet_run
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"can't fork"* ]]
}
