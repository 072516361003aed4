#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# checkpoint and restore by the criu program.

load helpers

setup_file() {
	setup_file_bundle
	chmod 755 "$SCRATCH"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	! is_microvm || skip "a micro-VM cannot be checkpointed by criu"
	IMAGES=$SCRATCH/images-$BATS_TEST_NUMBER
}

teardown() {
	local state
	for state in "$ROOT"/*/; do
		[ ! -d "$state" ] || duet delete --force "$(basename "$state")"
	done
	rm -rf "$IMAGES"
}

need_criu() {
	command -v criu >/dev/null || skip "needs criu: run it in the testbed with --with=criu"
	criu check >/dev/null 2>&1 || skip "criu cannot work on this kernel (criu check): run it in the testbed with --with=criu"
}

# A process that counts in memory and says where it is to a file of a volume.
configure_counter() {
	mkdir -p "$SCRATCH/volume"
	rm -f "$SCRATCH/volume"/*
	configure '.process.args = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/volume/count; sleep 0.1; done"]
		| .mounts += [{destination: "/volume", type: "bind", source: $ARGS.positional[0], options: ["rbind", "rw"]}] | '"${1:-.}" "$SCRATCH/volume"
}

count() {
	cat "$SCRATCH/volume/count" 2>/dev/null || echo 0
}

counts_beyond() {
	[ "$(count)" -gt "$1" ]
}

dump() {
	duet checkpoint --image-path "$IMAGES" "$@" || {
		grep -E "Error|Warn" "$IMAGES"/*.log >&2
		return 1
	}
}

restore() {
	duet restore --image-path "$IMAGES" -b "$BUNDLE" "$@" || {
		grep -E "Error|Warn" "$IMAGES"/*.log >&2
		return 1
	}
}

@test "without criu both say what is missing" {
	local id
	id=$(new_id)
	configure_command sleep 1000
	duet create -b "$BUNDLE" "$id"
	run env PATH=/nowhere "$DUET" --root "$ROOT" checkpoint --image-path "$IMAGES" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"it is created, not running"* ]]
	duet start "$id"
	run env PATH=/nowhere "$DUET" --root "$ROOT" checkpoint --image-path "$IMAGES" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *'the program `criu` (Debian package criu), which checkpoint and restore need, is not installed'* ]]
	[ ! -e "$IMAGES" ]
	is_in_state "$id" running
	run ! duet restore --image-path "$SCRATCH/none" -b "$BUNDLE" "$id-2"
	[[ $output == *"$SCRATCH/none"* ]]
	run ! duet checkpoint --manage-cgroups-mode odd "$id"
	[[ $output == *"soft, full, strict and ignore"* ]]
	run ! duet checkpoint --page-server nowhere --image-path "$IMAGES" "$id"
	[[ $output == *"ADDRESS:PORT is expected"* ]]
	run ! duet checkpoint --parent-path /abs --image-path "$IMAGES" "$id"
	[[ $output == *"relative to the image directory"* ]]
	run ! duet checkpoint --compress=zstd --image-path "$IMAGES" "$id"
	[[ $output == *"the container is no micro-VM"* ]]
	run ! duet checkpoint --compress=lz4 --image-path "$IMAGES" "$id"
	[[ $output == *"zstd and none are there"* ]]
	duet delete --force "$id"
	assert_nothing_left
}

@test "what criu refuses is said in its words, and changes nothing" {
	local id
	mkdir -p "$SCRATCH/bin" "$IMAGES"
	printf '#!/bin/sh\necho "(00.001) Error (criu/kerndat.c:1): the kernel lacks what it takes" >"%s/$LOG.log"\nexit 1\n' "$IMAGES" >"$SCRATCH/bin/criu"
	chmod 755 "$SCRATCH/bin/criu"
	id=$(new_id)
	configure_command sleep 1000
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	run env LOG=dump PATH="$SCRATCH/bin:$PATH" "$DUET" --root "$ROOT" checkpoint --image-path "$IMAGES" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$output" = "duet: criu could not checkpoint the container: Error (criu/kerndat.c:1): the kernel lacks what it takes (its log: $IMAGES/dump.log)" ]
	is_in_state "$id" running
	duet delete --force "$id"
	run env LOG=restore PATH="$SCRATCH/bin:$PATH" "$DUET" --root "$ROOT" restore -b "$BUNDLE" --image-path "$IMAGES" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"criu could not restore the container: Error (criu/kerndat.c:1): the kernel lacks what it takes (its log: $IMAGES/restore.log)" ]]
	assert_nothing_left
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
}

@test "a restored container goes on where it was" {
	local id at
	need_criu
	id=$(new_id)
	configure_counter
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	wait_until 20 counts_beyond 5
	dump "$id"
	# It is gone.
	run ! duet state "$id"
	at=$(count)
	sleep 0.5
	[ "$(count)" = "$at" ]
	restore -d --pid-file "$SCRATCH/pid" "$id" </dev/null >/dev/null 2>"$SCRATCH/err" || cat "$SCRATCH/err"
	[ "$(duet state "$id" | jq -r .status)" = running ]
	[ "$(duet state "$id" | jq -r .pid)" = "$(cat "$SCRATCH/pid")" ]
	wait_until 20 counts_beyond "$at"
	[ "$(count)" -lt $((at + 100)) ]
	duet exec "$id" true
	# The same group as before, with its process in it.
	grep -q "duet-$id" "/proc/$(cat "$SCRATCH/pid")/cgroup"
	duet kill "$id" KILL
	wait_until 10 is_in_state "$id" stopped
	duet delete "$id"
	assert_nothing_left
}

@test "left running, under another name, with limits" {
	local id
	need_criu
	id=$(new_id)
	configure_counter '.linux.resources.pids.limit = 33'
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	wait_until 20 counts_beyond 5
	dump --leave-running --work-path "$SCRATCH/work" "$id"
	[ -e "$SCRATCH/work/dump.log" ]
	is_in_state "$id" running
	duet delete --force "$id"
	restore -d "$id-b" </dev/null >/dev/null 2>"$SCRATCH/err" || cat "$SCRATCH/err"
	[ "$(duet state "$id-b" | jq -r .status)" = running ]
	grep -q "duet-$id-b" "/proc/$(duet state "$id-b" | jq -r .pid)/cgroup"
	[ "$(cat "$(find /sys/fs/cgroup -type d -path "*/duet-$id-b" | head -n 1)"/pids.max 2>/dev/null ||
		cat "/sys/fs/cgroup/pids$(sed -n 's/.*:pids://p' "/proc/$(duet state "$id-b" | jq -r .pid)/cgroup")/pids.max")" = 33 ]
	duet delete --force "$id-b"
	assert_nothing_left
}

@test "in the foreground: output comes through, and the exit status" {
	local id
	need_criu
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "echo before; while ! [ -e /volume/go ]; do sleep 0.1; done; echo after; exit 9"]
		| .mounts += [{destination: "/volume", type: "bind", source: $ARGS.positional[0], options: ["rbind", "rw"]}]' "$SCRATCH/volume"
	mkdir -p "$SCRATCH/volume"
	rm -f "$SCRATCH/volume"/*
	duet run -b "$BUNDLE" "$id" </dev/null 2>/dev/null 3>&- | cat >"$SCRATCH/out" 3>&- &
	wait_until 20 grep -q before "$SCRATCH/out"
	dump "$id"
	wait_until 20 test ! -d "$ROOT/$id" || ps -ef
	touch "$SCRATCH/volume/go"
	run duet restore --image-path "$IMAGES" -b "$BUNDLE" "$id" </dev/null
	echo "$output"
	[ "$status" -eq 9 ]
	[ "$output" = after ]
	assert_nothing_left
}

@test "a pre-dump, and what has changed since" {
	local id at
	need_criu
	id=$(new_id)
	configure_counter
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	wait_until 20 counts_beyond 3
	mkdir -p "$IMAGES"
	duet checkpoint --pre-dump --image-path "$IMAGES/parent" "$id" || skip "criu cannot track memory here: $(grep Error "$IMAGES/parent/dump.log" | head -n 1)"
	is_in_state "$id" running
	duet checkpoint --parent-path ../parent --image-path "$IMAGES/last" "$id"
	at=$(count)
	IMAGES=$IMAGES/last restore -d "$id" </dev/null >/dev/null 2>"$SCRATCH/err" || cat "$SCRATCH/err"
	wait_until 20 counts_beyond "$at"
	duet delete --force "$id"
	assert_nothing_left
}

@test "a terminal comes back through --console-socket" {
	local id socket
	need_criu
	id=$(new_id)
	socket=$SCRATCH/console.sock
	configure_counter '.process.terminal = true'
	receive() {
		rm -f "$socket"
		"$BUILD/tests/tools/receive_fd" "$socket" sleep 1000 &
		receiver=$!
		wait_until 10 test -S "$socket"
	}
	[ -x "$BUILD/tests/tools/receive_fd" ] || skip "tests/tools/receive_fd is missing"
	receive
	duet run -d --console-socket "$socket" -b "$BUNDLE" "$id"
	wait_until 20 counts_beyond 5
	dump "$id"
	kill "$receiver"
	local at
	at=$(count)
	receive
	restore -d --console-socket "$socket" "$id"
	wait_until 20 counts_beyond "$at"
	duet exec "$id" sh -c '[ "$(readlink /proc/1/fd/1)" = /dev/pts/0 ]'
	duet delete --force "$id"
	kill "$receiver"
	assert_nothing_left
}

@test "a container with a user namespace is refused, and goes on" {
	local id
	id=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .linux.namespaces += [{"type": "user"}] | .mounts |= map(select(.type != "mqueue"))
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$BUNDLE"
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	run duet checkpoint --image-path "$IMAGES" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"linux.namespaces["*"a container with a user namespace cannot be checkpointed"* ]]
	is_in_state "$id" running
	duet delete --force "$id"
	assert_nothing_left
}
