#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# exec into a micro-VM: the proxy on the host stands for the process in the guest; and what a paused machine does.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm ID
	setup_file_bundle
	configure_command sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
	ID=$(new_id)
	duet_create "$ID" </dev/null >/dev/null 2>&1
	duet start "$ID"
}

teardown_file() {
	teardown_file_bundle
}

# Is there a process whose command line ends with this?
in_guest() {
	duet ps "${2:-$ID}" | grep "$1\$"
}

not_in_guest() {
	! in_guest "$1"
}

is_gone() {
	! kill -0 "$1" 2>/dev/null || grep -q 'State:.Z' "/proc/$1/status"
}

@test "exec: output, errors, input and status are the process's" {
	run --separate-stderr duet exec "$ID" sh -c 'cat; echo err >&2; exit 7' <<<"in"
	[ "$status" -eq 7 ]
	[ "$output" = in ]
	[ "$stderr" = err ]
	run duet exec "$ID" sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	run -255 --separate-stderr duet exec "$ID" /no/such/program
	[[ "$stderr" == *"/no/such/program"*"no such file or directory"* ]]
}

@test "exec: much data passes unchanged both ways" {
	head -c 1048577 /dev/urandom >"$SCRATCH/random"
	duet exec "$ID" cat <"$SCRATCH/random" >"$SCRATCH/copy"
	cmp "$SCRATCH/random" "$SCRATCH/copy"
}

@test "exec: several at once do not mix" {
	local i
	for i in 1 2 3 4 5; do
		duet exec "$ID" sh -c "echo begin $i; sleep 0.$i; echo end $i; exit $i" >"$SCRATCH/several.$i" &
		pids[i]=$!
	done
	for i in 5 4 3 2 1; do
		status=0
		wait "${pids[i]}" || status=$?
		[ "$status" -eq "$i" ]
		[ "$(cat "$SCRATCH/several.$i")" = "begin $i"$'\n'"end $i" ]
	done
}

@test "exec: a terminal has the caller's size, and Ctrl-C reaches the process alone" {
	local command
	command="stty rows 31 cols 71; '$DUET' --root '$ROOT' exec -t '$ID' sh -c 'trap \"echo caught; exit 9\" INT; stty size; \
		echo ready; while :; do sleep 0.1; done'; echo status \$?"
	: >"$SCRATCH/screen"
	{
		wait_until 60 shown ready
		printf '\003'
		wait_until 20 shown status
	} | timeout 120 script -qefc "$command" "$SCRATCH/screen" >/dev/null
	cat "$SCRATCH/screen"
	shown '31 71'
	shown caught
	shown 'status 9'
	is_in_state "$ID" running
}

@test "exec --detach: the pid file's process takes signals for the one in the guest and ends with its status" {
	duet exec -d --pid-file "$SCRATCH/pid" "$ID" sh -c 'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.1; done' \
		</dev/null >"$SCRATCH/output" 2>&1
	wait_until 30 grep -q ready "$SCRATCH/output"
	kill -USR1 "$(cat "$SCRATCH/pid")"
	wait_until 30 grep -q caught "$SCRATCH/output"
	wait_until 30 is_gone "$(cat "$SCRATCH/pid")"
}

@test "exec: KILL of the proxy kills the process in the guest" {
	duet exec -d --pid-file "$SCRATCH/pid" "$ID" sleep 12345 </dev/null >/dev/null 2>&1
	in_guest 'sleep 12345'
	kill -KILL "$(cat "$SCRATCH/pid")"
	wait_until 30 not_in_guest 'sleep 12345'
}

@test "exec: a stream that the process closes is closed for who reads it" {
	# The proxy and the monitor must not hold it.
	timeout 60 sh -c "'$DUET' --root '$ROOT' exec -d '$ID' sh -c 'exec >&- 2>&-; sleep 4321' </dev/null 2>/dev/null | cat"
	in_guest 'sleep 4321'
}

@test "run --detach: a stream that the process closes is closed for who reads it" {
	local id
	id=$(new_id)
	configure_command sh -c 'exec >&-; sleep 4322'
	timeout 60 sh -c "'$DUET' --root '$ROOT' run --vm --detach -b '$BUNDLE' '$id' </dev/null 2>/dev/null | cat"
	in_guest 'sleep 4322' "$id"
	duet delete --force "$id"
}

@test "pause: the state says so, the guest stands still, exec is refused, resume goes on" {
	duet exec -d "$ID" sh -c 'while :; do date +%s%N; sleep 0.05; done' </dev/null >"$SCRATCH/ticks" 2>&1
	wait_until 30 test -s "$SCRATCH/ticks"
	duet pause "$ID"
	is_in_state "$ID" paused
	sleep 0.3
	before=$(wc -l <"$SCRATCH/ticks")
	sleep 1
	[ "$(wc -l <"$SCRATCH/ticks")" -eq "$before" ]
	run -255 duet exec "$ID" true
	[[ "$output" == *"paused"* ]]
	duet kill "$ID" USR2 # queued
	duet resume "$ID"
	is_in_state "$ID" running || is_in_state "$ID" stopped
	sleep 1
	[ "$(wc -l <"$SCRATCH/ticks")" -gt "$before" ]
}

@test "the end of the machine is the end of what exec put into it; KILL works while paused" {
	local id
	id=$(new_id)
	configure_command sleep 1000
	duet_create "$id" </dev/null >/dev/null 2>&1
	duet start "$id"
	duet exec "$id" sleep 1001 </dev/null >/dev/null 2>&1 &
	wait_until 30 in_guest 'sleep 1001' "$id"
	duet pause "$id"
	duet kill "$id" KILL
	status=0
	wait $! || status=$?
	[ "$status" -eq 137 ]
	wait_until 20 is_in_state "$id" stopped
	duet delete "$id"
}

@test "delete --force of a paused machine leaves nothing behind" {
	duet pause "$ID"
	duet delete --force "$ID"
	assert_nothing_left
}

@test "exec: a process without privilege cannot take the streams of another one" {
	local id
	id=$(new_id)
	cp "$BUILD/tests/guest/stream_thief" "$BUNDLE/rootfs/bin/"
	# shellcheck disable=SC2016
	configure '.process.user = {uid: 1000, gid: 1000} | .process.args = $ARGS.positional' sh -c \
		'/bin/stream_thief & trap "exit 0" TERM; while :; do sleep 0.1; done'
	duet_create "$id" </dev/null >"$SCRATCH/thief" 2>&1
	duet start "$id"
	wait_until 60 grep -q looking "$SCRATCH/thief"
	for i in 1 2 3 4 5; do
		run duet exec "$id" cat <<<"secret $i"
		[ "$status" -eq 0 ]
		[ "$output" = "secret $i" ]
	done
	duet delete --force "$id"
	[ "$(cat "$SCRATCH/thief")" = looking ]
	rm "$BUNDLE/rootfs/bin/stream_thief"
}
