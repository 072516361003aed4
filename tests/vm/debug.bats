#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --vm-debug: a debugger at the guest's kernel, and the kernel's log.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	MAP=$BUILD/guest/vmlinux.map
	[ -e "$MAP" ] || skip "the guest kernel's map is missing (--pack=build/guest/vmlinux.map)"
	export MAP
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${id:-}" ] || duet delete --force "$id"
	assert_nothing_left
}

symbol() {
	awk -v name="$1" '$3 == name { print $1; exit }' "$MAP"
}

gdb_client() {
	timeout 60 "$BUILD/tests/tools/gdb_client" "$ROOT/$id/gdb.sock" "$@"
}

# bats test_tags=smoke
@test "a debugger reads registers and memory, and the guest goes on when it leaves; the kernel's log is kept" {
	id=$(new_id)
	configure_command sh -c 'echo done'
	duet_create --vm-debug "$id" </dev/null >"$SCRATCH/output" 2>&1
	run gdb_client '?' g "m$(symbol linux_banner),d" "mdead000000000000,4"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "T05thread:1;" ]
	# 17 registers of 8 bytes, 7 of 4.
	[ "${#lines[1]}" -eq $(((17 * 8 + 7 * 4) * 2)) ]
	[ "${lines[2]}" = "$(printf 'Linux version' | od -An -tx1 | tr -d ' \n')" ]
	[ "${lines[3]}" = E0e ]
	duet start "$id"
	wait_until 30 grep -qx 'done' "$SCRATCH/output"
	grep -q 'Linux version' "$ROOT/$id/kernel.log"
}

# stops_at KIND: 0: INT3 in memory; 1: the processor's own.
stops_at() {
	local address
	id=$(new_id)
	configure_command sh -c 'echo done'
	duet_create --vm-debug "$id" </dev/null >"$SCRATCH/output" 2>&1
	address=$(symbol __x64_sys_execve)
	gdb_client "m$address,1" "Z$1,$address,1" "m$address,1" c wait g "z$1,$address,1" s >"$SCRATCH/debugger" &
	wait_until 20 grep -q OK "$SCRATCH/debugger"
	run duet pause "$id"
	[[ "$output" == *"a debugger has the micro-VM"* ]]
	duet start "$id"
	wait $! || {
		cat "$SCRATCH/debugger"
		return 1
	}
	cat "$SCRATCH/debugger"
	mapfile -t lines <"$SCRATCH/debugger"
	# The debugger sees the memory of before.
	[ "${lines[0]}" = "${lines[2]}" ]
	[[ "${lines[3]}" == T05thread:* ]]
	# Register 16 is the instruction's address, least byte first.
	[ "${lines[4]:256:16}" = "$(fold -w 2 <<<"$address" | tac | tr -d '\n')" ]
	[[ "${lines[6]}" == T05thread:* ]]
	wait_until 30 grep -qx 'done' "$SCRATCH/output"
}

@test "the guest stops at a break point in its memory, and goes on behind it" {
	grep -q 'QEMU TCG' /proc/cpuinfo && skip "QEMU's emulation of nested virtualization has no break points"
	stops_at 0
}

@test "the guest stops at a break point of the processor, and goes on behind it" {
	grep -q 'QEMU TCG' /proc/cpuinfo && skip "QEMU's emulation of nested virtualization has no break points"
	stops_at 1
}
