#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Micro-VMs that are written to disk in the middle of their work, and go on from there.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	mkdir -p "$BUNDLE/rootfs/work"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	IMAGE=$SCRATCH/image.$BATS_TEST_NUMBER
	rm -f "$BUNDLE"/rootfs/work/*
}

teardown() {
	[ -z "${id:-}" ] || duet delete --force "$id"
	[ -z "${next:-}" ] || duet delete --force "$next"
	assert_nothing_left
}

# A counter in a shell's memory, numbers in a file that it has open, an answer to a signal.
configure_counter() {
	configure '.process.args = ["sh", "-c", "exec 3>>/work/numbers; trap \"echo last \\$i; exit 5\" USR1; echo begun; cd /work
		while :; do i=$((i + 1)); echo $i >&3; sleep 0.1; done"]'
}

start_counter() {
	id=$(new_id)
	configure_counter
	duet_create "$id" </dev/null >"$SCRATCH/output" 2>&1
	duet start "$id"
	wait_until 90 has_counted 3
}

has_counted() {
	[ "$(tail -n 1 "$BUNDLE/rootfs/work/numbers" 2>/dev/null || echo 0)" -ge "$1" ] 2>/dev/null
}

# restore_counter [OPTION…]: in the background; its process is $restored.
restore_counter() {
	next=$(new_id)
	timeout -k 5 120 "$DUET" --root "$ROOT" restore --image-path "$IMAGE" "$@" -b "$BUNDLE" "$next" </dev/null >"$SCRATCH/restored" \
		2>"$SCRATCH/restored.stderr" &
	restored=$!
}

# bats test_tags=smoke
@test "a counter goes on where it was, with its open file, and hears signals; exec works" {
	local last number
	start_counter
	duet checkpoint --image-path "$IMAGE" "$id"
	run duet state "$id"
	[[ "$output" == *"does not exist"* ]]
	last=$(tail -n 1 "$BUNDLE/rootfs/work/numbers")
	restore_counter
	wait_until 60 has_counted $((last + 3)) || fail "$(cat "$SCRATCH/restored.stderr")"
	is_in_state "$next" running
	[ "$(duet exec "$next" sh -c 'readlink /proc/1/cwd; readlink /proc/1/fd/3; date +%s')" = "/work
/work/numbers
$(date +%s)" ] || [ $(($(duet exec "$next" date +%s) - $(date +%s))) -le 3 ]
	duet ps "$next" | grep -q 'while :'
	duet kill "$next" USR1
	status=0
	wait "$restored" || status=$?
	cat "$SCRATCH/restored.stderr"
	[ "$status" -eq 5 ]
	# The shell's own count, and none of what it had said before.
	number=$(sed -n 's/^last //p' "$SCRATCH/restored")
	last=$(tail -n 1 "$BUNDLE/rootfs/work/numbers")
	# It may just have counted and not written yet.
	[ "$number" -eq "$last" ] || [ "$number" -eq $((last + 1)) ]
	[ "$(wc -l <"$SCRATCH/restored")" -eq 1 ]
	# Every number once.
	[ "$(sort -n "$BUNDLE/rootfs/work/numbers" | uniq -d)" = "" ]
	[ "$(wc -l <"$BUNDLE/rootfs/work/numbers")" -eq "$(tail -n 1 "$BUNDLE/rootfs/work/numbers")" ]
}

@test "left running it goes on; what does not fit where it is restored is refused by name; compressed" {
	local last
	start_counter
	duet checkpoint --leave-running --image-path "$IMAGE" "$id"
	is_in_state "$id" running
	wait_until 90 has_counted $(($(tail -n 1 "$BUNDLE/rootfs/work/numbers") + 3))
	duet checkpoint --compress=zstd --image-path "$IMAGE.zstd" "$id"
	(($(du -k "$IMAGE.zstd/machine" | cut -f1) * 2 < $(du -k "$IMAGE/machine" | cut -f1)))

	cp "$BUNDLE/config.json" "$SCRATCH/own.json"
	hardware() {
		jq ".vm = { hwConfig: { vcpus: $1, memory: ($2 * 1048576) } }" "$SCRATCH/own.json" >"$BUNDLE/config.json"
	}
	refused() {
		next=$(new_id)
		run --separate-stderr duet restore --image-path "$IMAGE" -b "$BUNDLE" "$next"
		echo "$stderr"
		[ "$status" -eq 1 ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	}
	hardware 1 512
	refused
	[[ "$stderr" == *"its machine has 256 MiB of memory, and this one 512"* ]]
	hardware 2 256
	refused
	[[ "$stderr" == *"its machine has 1 vCPUs, and this one 2"* ]]
	cp "$SCRATCH/own.json" "$BUNDLE/config.json"
	mv "$BUNDLE/rootfs/work/numbers" "$BUNDLE/rootfs/work/old"
	refused
	[[ "$stderr" == *"the file rootfs/work/numbers that the guest has open cannot be found"* ]]
	echo 1 >"$BUNDLE/rootfs/work/numbers"
	refused
	[[ "$stderr" == *"the file rootfs/work/numbers that the guest has open is another one now"* ]]
	mv "$BUNDLE/rootfs/work/old" "$BUNDLE/rootfs/work/numbers"
	printf x | dd of="$IMAGE/machine" bs=1 seek=5000 conv=notrunc status=none
	refused
	[[ "$stderr" == *"the snapshot's state is damaged"* ]]
	truncate -s 3M "$IMAGE/machine"
	refused
	[[ "$stderr" == *"the snapshot is cut short"* ]]
	printf x | dd of="$IMAGE/machine" bs=1 conv=notrunc status=none
	refused
	[[ "$stderr" == *"this is no snapshot of a machine"* ]]

	IMAGE=$IMAGE.zstd
	last=$(tail -n 1 "$BUNDLE/rootfs/work/numbers")
	restore_counter
	wait_until 60 has_counted $((last + 3)) || fail "$(cat "$SCRATCH/restored.stderr")"
	duet kill "$next" KILL
	wait "$restored" || [ $? -eq 137 ]
}

@test "an open file that has been deleted and processes of exec are refused" {
	start_counter
	duet exec "$id" rm /work/numbers
	run duet checkpoint --image-path "$IMAGE" "$id"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"the open file rootfs/work/numbers has been deleted"* ]]
	[ ! -e "$IMAGE/machine" ]
	is_in_state "$id" running
	duet exec "$id" sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	executed=$!
	wait_until 30 sh -c "'$DUET' --root '$ROOT' ps '$id' | grep -q 'sleep 1000'"
	run duet checkpoint --image-path "$IMAGE" "$id"
	[[ "$output" == *"there are processes of exec"* ]]
	duet delete --force "$id"
	wait "$executed" || true
}
