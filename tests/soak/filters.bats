#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nothing in the system call filters of the monitor's threads is there without need: micro-VMs of every sort run under
# strace(1), and each line of each filter must have allowed something (tests/unit/filter_use.c has the excuses).

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	command -v strace >/dev/null || skip "strace is missing"
	setup_file_bundle
	cp "$BUILD/tests/guest/fs_calls" "$BUNDLE/rootfs/bin/"
	# Makes a terminal and a network interface for whoever asks.
	export NETWORK=$SCRATCH/network
	: >"$NETWORK"
}

teardown_file() {
	! mountpoint -q "$NETWORK" || umount "$NETWORK"
	teardown_file_bundle
}

# traced NAME COMMAND…: what duet and everything below it asks of the kernel goes to $SCRATCH/trace.NAME.
traced() {
	local name=$1
	shift
	strace -f -n -Y -e raw=all -o "$SCRATCH/trace.$name" timeout -k 5 100 "$DUET" --root "$ROOT" "$@"
}

run_traced() { # NAME [OPTION…]
	traced "$@" --isolation=microvm -b "$BUNDLE" "$(new_id)"
}

@test "work with files, pipes, other standard streams" {
	mkdir -p "$BUNDLE/rootfs/work"
	configure_command sh -c 'cat; fs_calls /work; head -c 500000 /dev/zero; echo err >&2; sync'
	echo in | run_traced pipes run 2>"$SCRATCH/stderr" | tail -c 1 >/dev/null
	cat "$SCRATCH/stderr"
	grep -x err "$SCRATCH/stderr"
	configure_command sh -c 'cat; echo out'
	run_traced files run <"$BUNDLE/config.json" >"$SCRATCH/output"
	tail -n 1 "$SCRATCH/output" | grep -x out
	# A socket for both directions. socat(1) undoes quotes of its own: what it runs is a script.
	configure_command sh -c 'head -n 1; echo out'
	printf '#!/bin/sh\necho word\ncat >%s\n' "$SCRATCH/output" >"$SCRATCH/talk"
	chmod +x "$SCRATCH/talk"
	socat -t 60 EXEC:"strace -f -n -Y -e raw=all -o $SCRATCH/trace.sockets $DUET --root $ROOT run --isolation=microvm -b $BUNDLE socket" \
		EXEC:"$SCRATCH/talk"
	grep -x word "$SCRATCH/output"
}

@test "terminals, the caller's and the container's" {
	configure_command sh -c 'cat; echo out'
	export SCRATCH ROOT BUNDLE DUET
	{ echo word; sleep 5; printf '\x04'; } | script -qefc 'strace -f -n -Y -e raw=all -o "$SCRATCH/trace.caller" \
		"$DUET" --root "$ROOT" run --isolation=microvm -b "$BUNDLE" caller' /dev/null
	configure '.process.args = ["sh", "-c", "head -n 1; stty size"] | .process.terminal = true'
	{ echo word; sleep 5; } | script -qefc 'strace -f -n -Y -e raw=all -o "$SCRATCH/trace.terminal" \
		"$DUET" --root "$ROOT" run --isolation=microvm -b "$BUNDLE" terminal' /dev/null
}

@test "a network interface" {
	unshare --net="$NETWORK" ip link set lo up
	nsenter --net="$NETWORK" ip link add eth0 type veth peer name far
	nsenter --net="$NETWORK" ip address add 10.9.8.7/24 dev eth0
	nsenter --net="$NETWORK" ip link set far up
	nsenter --net="$NETWORK" ip link set eth0 up
	path=$NETWORK configure '(.linux.namespaces[] | select(.type == "network")).path = env.path |
		.process.args = ["ping", "-c", "2", "-W", "1", "10.9.8.1"]'
	status=0
	run_traced network run </dev/null >"$SCRATCH/output" 2>&1 || status=$?
	cat "$SCRATCH/output"
	[ "$status" -eq 1 ] # nobody answers
	umount "$NETWORK"
}

@test "a life of verbs, with two processors and more processes by exec" {
	local id
	id=$(new_id)
	configure '.linux.resources.cpu = {"quota": 200000, "period": 100000} | .process.args = ["sleep", "1000"]'
	traced verbs create --isolation=microvm -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1 &
	wait_until 60 is_in_state "$id" created
	duet start "$id"
	duet exec "$id" sh -c 'echo out; exit 3' || [ $? -eq 3 ]
	duet exec "$id" cat <"$BUNDLE/config.json" >/dev/null
	script -qefc "'$DUET' --root '$ROOT' exec --tty '$id' stty size" /dev/null
	duet ps "$id"
	duet events --stats "$id"
	duet pause "$id"
	duet resume "$id"
	kill -STOP "$(duet state "$id" | jq .pid)"
	kill -CONT "$(duet state "$id" | jq .pid)"
	duet kill "$id" TERM
	duet kill "$id" KILL
	wait $!  || true
	duet delete --force "$id"
	# One that ends by itself.
	configure_command true
	run_traced short run
}

@test "a guest that crashes" {
	configure_command true
	status=0
	run_traced crash run --vm-kernel "$BUILD/tests/guest/triple_fault" </dev/null >"$SCRATCH/output" 2>&1 || status=$?
	[ "$status" -eq 1 ]
}

@test "every line of every filter was of use" {
	local software=()
	grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || software=(--software)
	run "$BUILD/tests/unit/filter_use" "${software[@]}" "$SCRATCH"/trace.*
	echo "$output"
	[ "$status" -eq 0 ]
}
