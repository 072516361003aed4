#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits of a micro-VM: what the guest's kernel keeps, what the host keeps, and what update can do.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || duet list -q | xargs -r -n 1 "$DUET" --root "$ROOT" delete --force
	assert_nothing_left
}

run_detached() {
	duet_create "$1" </dev/null >"$SCRATCH/output" 2>&1
	duet start "$1"
}

# bats test_tags=smoke
@test "pids.limit holds inside the guest, for exec too, and its cgroup mount shows it" {
	local id
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"]
		| .linux.resources = {"pids": {"limit": 9}}
		| .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]'
	run_detached "$id"
	run duet exec "$id" sh -c 'cat /sys/fs/cgroup/pids.max /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs | wc -l'
	echo "$output"
	[ "${lines[0]}" = 9 ]
	[ "${lines[1]}" = 0::/ ]
	[ "${lines[2]}" -ge 3 ]
	run duet exec "$id" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 4321 & done; wait'
	[[ "$output" == *"fork"*"temporarily unavailable"* ]]
	# The monitor has threads of its own.
	is_in_state "$id" running
	duet update --pids-limit 20 "$id"
	run duet exec "$id" sh -c 'cat /sys/fs/cgroup/pids.max; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1 & done; wait; echo all'
	[ "${lines[0]}" = 20 ]
	[ "${lines[-1]}" = all ]
	duet delete --force "$id"
}

@test "out of memory in the guest is the workload's own end, not the machine's" {
	configure '.process.args = ["sh", "-c", "cat /sys/fs/cgroup/memory.max; head -c 400m /dev/zero | tail | wc -c; echo still here; cat /sys/fs/cgroup/memory.events"]
		| .linux.resources = {"memory": {"limit": 134217728}}
		| .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" -gt $((64 << 20)) ]
	[ "${lines[0]}" -lt $((128 << 20)) ]
	[[ "$output" == *"still here"* ]]
	[[ "$output" == *"oom_kill 1"* ]]
	configure '.process.args = ["tail", "/dev/zero"] | .linux.resources = {"memory": {"limit": 134217728}}'
	run --separate-stderr duet_run
	[ "$status" -eq 137 ]
	[[ "$stderr" == *"its process was killed by the out-of-memory killer: the "*" of the guest's memory"* ]] || fail "$stderr"
}

@test "device rules hold inside the guest" {
	# The kernel's log is not among the devices that every container may use.
	configure '.process.args = ["sh", "-c", "mknod /dev/k c 1 11; echo x > /dev/k; head -c 1 /dev/zero | wc -c; head -c 1 /dev/full | wc -c"]
		| .process.capabilities |= map_values(. + ["CAP_MKNOD"])
		| .linux.resources = {"devices": [{"allow": false, "access": "rwm"}]}'
	run duet_run
	echo "$output"
	[[ "$output" == *"/dev/k: Operation not permitted"* ]]
	[ "${lines[-2]}" = 1 ]
	[ "${lines[-1]}" = 1 ]
	configure '.process.args = ["sh", "-c", "mknod /dev/k c 1 11; echo x > /dev/k && echo written"]
		| .process.capabilities |= map_values(. + ["CAP_MKNOD"])
		| .linux.resources = {"devices": [{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]}'
	run duet_run
	[ "$output" = written ]
}

@test "update: memory within that of the machine; more, and limits of the monitor, are refused by name" {
	local id
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"]
		| .linux.resources = {"memory": {"limit": 167772160}}
		| .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]'
	run_detached "$id"
	duet update --memory 100m "$id"
	run duet exec "$id" cat /sys/fs/cgroup/memory.max
	[ "$output" -eq $((100 << 20)) ]
	run duet update --memory 400m "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"memory.limit"*"booted with 128 MiB"*"cannot grow"* ]]
	run duet update --memory -1 "$id"
	[ "$status" -eq 1 ]
	run duet update --memory 16m "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"too little"* ]]
	echo '{"unified": {"pids.max": "5"}}' >"$SCRATCH/resources"
	run duet update --resources "$SCRATCH/resources" "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"pids.max"*"linux.resources.pids.limit"* ]]
	# What the guest has to do waits for no paused guest; the host's part does not ask it.
	duet pause "$id"
	duet update --cpu-quota 50000 "$id"
	run duet update --pids-limit 50 "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"paused"* ]]
	run duet ps "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"paused"* ]]
	duet events --stats "$id" | jq -e '.data.vm | (.guest == null) and .exits != {}'
	duet resume "$id"
	duet delete --force "$id"
}

# balloon ID FILTER: whether it holds for the balloon's figures.
balloon() {
	duet events --stats "$1" | tee "$SCRATCH/stats" | jq -e ".data.vm.balloon | $2" >/dev/null
}

# resident ID: MiB of the monitor in memory.
resident() {
	awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$(duet state "$1" | jq .pid)/status"
}

has_given_back() { # ID MIB
	[ "$(resident "$1")" -le "$2" ]
}

@test "memory that a guest has free comes back to the host, what it may not use any more too, until it may again" {
	local id before
	grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || skip "needs KVM with hardware support: a software KVM's guest has no such setting"
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"]
		| .linux.resources = {"memory": {"limit": 167772160}}'
	run_detached "$id"
	balloon "$id" '.target == 0 and .actual == 0 and .memory.total > 64000000 and .memory.free > 0' || fail "$(cat "$SCRATCH/stats")"
	duet exec "$id" sh -c 'head -c 40m /dev/zero > /dev/shm/large'
	before=$(resident "$id")
	duet exec "$id" rm /dev/shm/large
	wait_until 60 has_given_back "$id" $((before - 24)) || fail "$before MiB before, $(resident "$id") MiB now"
	balloon "$id" '.reportedFree > 24000000' || fail "$(cat "$SCRATCH/stats")"
	# A machine of that limit would have 64 of the 128 MiB.
	duet update --memory 100m "$id"
	balloon "$id" '.target == 67108864' || fail "$(cat "$SCRATCH/stats")"
	wait_until 60 balloon "$id" '.actual == 67108864' || fail "$(cat "$SCRATCH/stats")"
	duet update --memory 160m "$id"
	wait_until 60 balloon "$id" '.target == 0 and .actual == 0' || fail "$(cat "$SCRATCH/stats")"
	duet delete --force "$id"
}

@test "events --stats: exits by reason, KVM's own figures and the guest's group" {
	local id
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"] | .linux.resources = {"pids": {"limit": 33}}'
	run_detached "$id"
	duet events --stats "$id" >"$SCRATCH/stats"
	cat "$SCRATCH/stats"
	jq -e '.data.vm.exits | .mmio.count > 0 and .mmio.perSecond > 0 and .["kvm.exits"].count > 0' "$SCRATCH/stats"
	jq -e '.data.vm.balloon | .target == 0 and .actual == 0 and .memory.total > 64000000 and .memory.free > 0' "$SCRATCH/stats"
	jq -e '.data.vm.guest | .pids.limit == 33 and .pids.current >= 1 and .memory.usage.usage > 0 and .cpu.usage.total > 0' "$SCRATCH/stats"
	duet delete --force "$id"
}
