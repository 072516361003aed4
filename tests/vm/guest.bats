#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What holds for a micro-VM alone: its kernel, its end, its wall.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	cp "$BUILD"/tests/guest/{avx_isolation,syscall_repair,map_write} "$BUNDLE/rootfs/bin/"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

@test "the kernel is the guest's own" {
	configure_command uname -r
	run duet_run
	[ "$status" -eq 0 ]
	[ "$output" != "$(uname -r)" ]
}

# bats test_tags=smoke
@test "two processes never see each other's vector registers" {
	configure_command /bin/avx_isolation
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
}

# bats test_tags=smoke
@test "a jump to the repair of SYSCALL with forged registers gains nothing" {
	local address
	address=$(awk '$3 == "entry_SYSCALL_64" { print $1 }' "$BUILD/guest/vmlinux.map")
	[ -n "$address" ]
	configure_command /bin/syscall_repair "$address"
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
}

# bats test_tags=smoke
@test "a guest that crashes is an error of its own, never a zero" {
	configure_command true
	run --separate-stderr duet_run --vm-kernel "$BUILD/tests/guest/triple_fault"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"the guest crashed"* ]]
}

# bats test_tags=smoke
@test "KILL of the monitor in the middle of the boot leaves nothing behind" {
	local id pid
	id=$(new_id)
	configure_command true
	duet run --vm --vm-kernel "$BUILD/tests/guest/halt" -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1 &
	wait_until 20 sh -c "[ \"\$('$DUET' --root '$ROOT' state $id | jq .pid)\" -gt 0 ] 2>/dev/null"
	pid=$(duet state "$id" | jq .pid)
	[ "$(duet state "$id" | jq -r .status)" = creating ] || fail "it was not in the middle of the boot"
	kill -KILL "$pid"
	status=0
	wait $! || status=$?
	[ "$status" -ne 0 ]
	duet delete --force "$id"
}

@test "what was written to a mapping by a process that is killed is in the file" {
	configure '.process.args = ["sh", "-c", "/bin/map_write /volume/child 300; exec /bin/map_write /volume/first 300"]
		| .mounts += [{"destination": "/volume", "type": "bind", "source": $ARGS.positional[0], "options": ["rbind", "rw"]}]' \
		"$SCRATCH/volume"
	mkdir -p "$SCRATCH/volume"
	run duet_run
	# pid 1 of a pid namespace is not killed by itself.
	[ "$status" -eq 2 ] || [ "$status" -eq 137 ]
	[ "$(tr -d x <"$SCRATCH/volume/child" | wc -c)" -eq 0 ]
	[ "$(wc -c <"$SCRATCH/volume/child")" -eq $((300 * 4096)) ]
	[ "$(tr -d x <"$SCRATCH/volume/first" | wc -c)" -eq 0 ]
}

@test "mount points and the working directory that a read-only root lacks are made, files too" {
	echo from-host >"$SCRATCH/file"
	configure '.process.args = ["sh", "-c", "pwd; cat /made/for/file"] | .root.readonly = true | .process.cwd = "/made/to/work"
		| .mounts += [{"destination": "/made/for/file", "type": "bind", "source": $ARGS.positional[0], "options": ["bind", "ro"]}]' \
		"$SCRATCH/file"
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = /made/to/work ]
	[ "${lines[1]}" = from-host ]
}

# bats test_tags=smoke
@test "the file server answers every kind of call" {
	mkdir -p "$BUNDLE/rootfs/work"
	cp "$BUILD/tests/guest/fs_calls" "$BUNDLE/rootfs/bin/"
	# What the container's capabilities do not allow fails, and is served all the same.
	configure_command sh -c 'fs_calls /work >/dev/null 2>&1; echo a >/work/a; mv /work/a /work/b && cat /work/b'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = a ]
}
