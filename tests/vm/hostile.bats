#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Guests that misbehave on purpose (tests/hostile) and guests that end badly: the monitor ignores it or ends with a
# clear error; it never crashes, never hangs, and never calls it success.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

# run_hostile NAME [FILTER]: the guest's serial port, and what duet says, are in $stderr.
run_hostile() {
	guest=$BUILD/tests/hostile/hostile configure '.vm.kernel.path = env.guest | .vm.kernel.parameters = $ARGS.positional' "hostile=$1"
	jq "${2:-.}" <"$BUNDLE/config.json" >"$BUNDLE/config.json.new"
	mv "$BUNDLE/config.json.new" "$BUNDLE/config.json"
	run --separate-stderr duet_run --vm-console </dev/null
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" != *Sanitizer* && "$stderr" != *"runtime error"* && "$stderr" != *"system call filter"* ]]
}

@test "a guest that breaks every rule of every device changes nothing for the monitor" {
	local mark
	mark=$SCRATCH/mark
	truncate -s 1M "$SCRATCH/disk.img"
	touch "$mark"
	run_hostile devices '.vm.image = { path: "\(env.SCRATCH)/disk.img", format: "raw" }'
	for what in registers "queue set-up" rings "set-up of running queues" resets chaos rng vsock fs balloon; do
		[[ "$stderr" == *"hostile: survived $what"* ]] || fail "it did not survive: $what"
	done
	[[ "$stderr" != *"was found"* && "$stderr" != *"no session"* ]]
	# One warning for each device, however often it was broken.
	[ "$(grep -c "broke the rules" <<<"$stderr")" -le 8 ]
	[[ "$stderr" == *"the guest stopped before its init was there"* ]]
	[ -z "$(find "$BUNDLE" "$ROOT" -newer "$mark" -name '*passwd*')" ]
}

# bats test_tags=smoke
@test "a guest may touch any port and any address" {
	run_hostile ports
	[[ "$stderr" == *"hostile: survived ports"* && "$stderr" == *"hostile: survived addresses of nothing"* ]]
	[[ "$stderr" == *"the guest stopped before its init was there"* ]]
}

@test "garbage on the control channel ends the machine with a word about it" {
	run_hostile control
	[[ "$stderr" == *"the guest said something unexpected"* ]]
}

@test "a guest that has a device write over itself crashes itself alone" {
	run_hostile itself
	[[ "$stderr" == *"hostile: survived so far"* ]]
	[[ "$stderr" == *"the guest crashed"* || "$stderr" == *"the guest stopped before its init was there"* ]]
}

@test "a triple fault is reported as that" {
	run_hostile stack
	[[ "$stderr" == *"the guest crashed: "*"triple fault"* ]]
}

# interrupted NAME: Ctrl-C in the middle of it ends it.
interrupted() {
	local pid
	guest=$BUILD/tests/hostile/hostile configure '.vm.kernel.path = env.guest | .vm.kernel.parameters = $ARGS.positional' "hostile=$1"
	"$DUET" --root "$ROOT" run --isolation=microvm -b "$BUNDLE" "$(new_id)" </dev/null 2>"$SCRATCH/stderr" &
	pid=$!
	wait_until 20 sh -c "grep -qx vcpu0 /proc/\$(pgrep -P $pid)/task/*/comm 2>/dev/null"
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	cat "$SCRATCH/stderr"
	[ "$status" -eq 130 ]
	grep -q "interrupted by SIGINT" "$SCRATCH/stderr"
}

@test "a guest that halts for ever is ended by Ctrl-C" {
	interrupted halt
}

@test "a guest that loops for ever is ended by Ctrl-C" {
	interrupted spin
}

# Nobody but the workload gets the one processor.
@test "a guest that loops after its start is reported as that" {
	configure '.process.args = ["sh", "-c", "while :; do :; done"] | .process.scheduler = { policy: "SCHED_FIFO", priority: 50 }
		| .process.capabilities |= map_values(. + ["CAP_SYS_NICE"])
		| .vm.kernel.path = $ARGS.positional[0] | .vm.kernel.parameters = ["sysctl.kernel.sched_rt_runtime_us=-1"]' "$BUILD/guest/vmlinux"
	run --separate-stderr duet_run --vm-watchdog=6 </dev/null
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"the guest has not answered for 6 s, it halts or loops: processor 0 is running at 0x"* ]]
	# One that does is left in peace.
	configure_command sh -c 'sleep 8; echo alive'
	run duet_run --vm-watchdog=3
	[ "$output" = alive ]
}

# What duet says is on the last line.
@test "a panic is reported as that, with the kernel's own words" {
	guest=$BUILD/guest/vmlinux configure '.vm.kernel.path = env.guest | .vm.kernel.parameters = ["rdinit=/nowhere", "init=/nowhere"]'
	run --separate-stderr duet_run </dev/null
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"the guest's kernel panicked: Requested init /nowhere failed (error -2)."* ||
		"$stderr" == *"the guest's kernel panicked: VFS: Unable to mount root fs"* ]]
}

@test "a guest that halts or loops before its init is there is reported as that" {
	guest=$BUILD/tests/hostile/hostile configure '.vm.kernel.path = env.guest | .vm.kernel.parameters = ["hostile=halt"]'
	run --separate-stderr duet_run --vm-boot-timeout=2 </dev/null
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"the guest was not up within 2 s: processor 0 is halted for good at 0x"* ]]
	guest=$BUILD/tests/hostile/hostile configure '.vm.kernel.path = env.guest | .vm.kernel.parameters = ["hostile=spin"]'
	run --separate-stderr duet_run --vm-boot-timeout=2 </dev/null
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"the guest was not up within 2 s: processor 0 is running at 0x"* ]]
}
