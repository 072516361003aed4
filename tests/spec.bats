#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Fields of config.json that other files do not look at, one after another: each has its effect, or is refused by name.

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${AGENT:-}" ] || kill "$AGENT"
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	rm -rf "$SCRATCH/agent"
	assert_nothing_left
}

# ---- seccomp: notifications ----

# agent_begin ERRNO: somebody who answers every notification with it.
agent_begin() {
	mkdir "$SCRATCH/agent"
	"$BUILD/tests/tools/notify_agent" "$SCRATCH/agent/socket" "$SCRATCH/agent/state" "$1" 3>&- &
	AGENT=$!
	wait_until 10 test -S "$SCRATCH/agent/socket"
}

NOTIFY='.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "\($ARGS.positional[0])/agent/socket", "listenerMetadata": "some words",
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}'

@test "seccomp: NOTIFY asks the listener, which is told who asks, for run, start and exec" {
	is_microvm && skip "refused in a micro-VM: the test below"
	agent_begin 123
	configure '.process.args = ["mkdir", "/made"] | .annotations = {"some": "thing"} | '"$NOTIFY" "$SCRATCH"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"No medium found"* ]] || fail "$output"
	[ "$(jq -r '.fds[0], .metadata, .state.status, .state.bundle, .state.annotations.some' "$SCRATCH/agent/state" | tr '\n' ' ')" = \
		"seccompFd some words created $BUNDLE thing " ]
	[ "$(jq .pid "$SCRATCH/agent/state")" = "$(jq .state.pid "$SCRATCH/agent/state")" ]
	rm "$SCRATCH/agent/state"
	ID=$(new_id)
	configure '.process.args = ["sleep", "1000"] | '"$NOTIFY" "$SCRATCH"
	duet_create "$ID" </dev/null >/dev/null 2>&1
	[ ! -e "$SCRATCH/agent/state" ]
	duet start "$ID"
	[ "$(jq .pid "$SCRATCH/agent/state")" = "$(duet state "$ID" | jq .pid)" ]
	[ "$(jq -r .state.id "$SCRATCH/agent/state")" = "$ID" ]
	run duet exec "$ID" mkdir /made
	[ "$status" -eq 1 ]
	[[ "$output" == *"No medium found"* ]] || fail "$output"
	[ "$(jq -r .state.status "$SCRATCH/agent/state")" = running ]
	[ "$(jq .pid "$SCRATCH/agent/state")" != "$(duet state "$ID" | jq .pid)" ]
}

@test "seccomp: without a listener nothing that notifies is started" {
	is_microvm && skip "refused in a micro-VM: the test below"
	configure '.process.args = ["echo", "started"] | '"$NOTIFY" "$SCRATCH"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"listenerPath: connect to socket $SCRATCH/agent/socket: No such file or directory" ]] || fail "$output"
	ID=$(new_id)
	duet_create "$ID" </dev/null >/dev/null 2>&1
	run duet start "$ID"
	[ "$status" -eq 1 ]
	wait_until 10 is_in_state "$ID" stopped
}

@test "seccomp: features name NOTIFY, and a micro-VM refuses it" {
	[ "$("$DUET" features | jq '.linux.seccomp.actions | index("SCMP_ACT_NOTIFY")')" != null ]
	configure '.process.args = ["true"] | '"$NOTIFY" "$SCRATCH"
	run duet run --isolation=microvm -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.seccomp.syscalls[0].action"* ]]
}

@test "seccomp: a call that is newer than the profile does not exist, an older one is forbidden" {
	cp "$BUILD/tests/tools/call" "$BUNDLE/rootfs/bin/"
	# 436 is close_range, the newest that the profile names; 40 is sendfile; 437 is openat2.
	configure '.process.args = ["call", "40", "436", "437", "999"] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ERRNO",
		"syscalls": [{"names": $ARGS.positional, "action": "SCMP_ACT_ALLOW"}]}' \
		execve exit exit_group brk arch_prctl uname readlink readlinkat mprotect prlimit64 getrandom set_tid_address set_robust_list rseq \
		capset close_range write fstat newfstatat mmap munmap ioctl
	run duet_run </dev/null
	[ "$output" = $'EPERM\nEINVAL\nENOSYS\nENOSYS' ] || fail "$output"
}

# ---- memoryPolicy ----

@test "memoryPolicy: the process's memory follows it, and so does that of exec" {
	is_microvm && skip "it is the monitor's memory that follows it"
	grep -q . /proc/self/numa_maps 2>/dev/null || skip "this kernel has no NUMA"
	configure '.process.args = ["cat", "/proc/self/numa_maps"] | .linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
	run duet_run
	[[ "$output" == *" bind=static:0 "* ]] || fail "$output"
	ID=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .linux.memoryPolicy = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}'
	duet_create "$ID" </dev/null >/dev/null 2>&1
	run duet exec "$ID" cat /proc/self/numa_maps
	[[ "$output" == *" interleave:0 "* ]] || fail "$output"
}

@test "memoryPolicy: nodes that are not there are refused" {
	is_microvm && skip "the same code"
	grep -q . /proc/self/numa_maps 2>/dev/null || skip "this kernel has no NUMA"
	configure '.process.args = ["true"] | .linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "63"}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *'set the memory policy (mode 2, flags 0x0, nodes "63")'* ]] || fail "$output"
	configure '.process.args = ["true"] | .linux.memoryPolicy = {"mode": "MPOL_LOCAL", "nodes": "0"}'
	run duet_run
	[ "$status" -eq 1 ]
}
