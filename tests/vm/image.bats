#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's root on a disk image (vm.image) in place of a directory.

load ../helpers

PATH=$PATH:/usr/sbin:/sbin

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	command -v mke2fs >/dev/null || skip "mke2fs is missing: install e2fsprogs"
	# root.path means nothing then: it need not even be there.
	mv "$BUNDLE/rootfs" "$SCRATCH/tree"
	mke2fs -q -t ext4 -d "$SCRATCH/tree" "$SCRATCH/pristine.img" 32M
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	rm -f "$SCRATCH/root.img"
	cp --sparse=always "$SCRATCH/pristine.img" "$SCRATCH/root.img"
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || duet list -q | xargs -r -n 1 "$DUET" --root "$ROOT" delete --force
	assert_nothing_left
}

# configure_image FILTER [ARGUMENT…]: the template with that image as its root.
configure_image() {
	local filter=$1
	shift
	configure ".vm = { image: { path: \"$SCRATCH/root.img\", format: \"raw\" } } | $filter" "$@"
}

@test "the root is the image: statuses and exec as with a directory, what is written stays, its file system is clean" {
	local id
	configure_image '.process.args = ["sh", "-c", "echo kept > /kept; trap \"exit 7\" TERM; sleep 1000 & wait"]'
	id=$(new_id)
	duet_create "$id" </dev/null >/dev/null 2>&1
	duet start "$id"
	wait_until 30 duet exec "$id" test -s /kept
	# Where nothing is shared no thread needs any capability.
	[ -z "$(grep -h '^Cap\(Prm\|Eff\)' /proc/"$(duet state "$id" | jq .pid)"/task/*/status | grep -v '0000000000000000$')" ]
	run duet exec "$id" sh -c 'cat /kept; grep " / " /proc/mounts; cat /sys/block/vda/ro /sys/block/vda/serial; exit 9'
	echo "$output"
	[ "$status" -eq 9 ]
	[ "${lines[0]}" = kept ]
	[[ "${lines[1]}" == "/dev/vda / ext4 rw"* ]]
	[ "${lines[2]}" = 0 ]
	[ "${lines[3]}" = duet-root ]
	duet kill "$id" TERM
	wait_until 30 is_in_state "$id" stopped
	duet delete "$id"
	[ "$(debugfs -R 'cat /kept' "$SCRATCH/root.img" 2>/dev/null)" = kept ]
	e2fsck -fn "$SCRATCH/root.img"
	configure_image '.process.args = ["sh", "-c", "cat /kept; exit 7"]'
	run duet_run
	[ "$status" -eq 7 ]
	[ "$output" = kept ]
	configure_image '.process.args = ["/no/such/program"]'
	run -127 duet_run
	[ "$status" -eq 127 ]
}

@test "an image that nobody may write to is read-only: what is written goes to memory" {
	local before
	chmod 444 "$SCRATCH/root.img"
	before=$(sha256sum <"$SCRATCH/root.img")
	configure_image '.process.args = ["sh", "-c", "cat /sys/block/vda/ro; echo new > /new && cat /new; ls /kept"]'
	run duet_run
	echo "$output"
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = new ]
	[ "$status" -ne 0 ]
	[ "$(sha256sum <"$SCRATCH/root.img")" = "$before" ]
}

@test "a read-only root on an image cannot be written to, nor can the disk below it" {
	local before
	before=$(sha256sum <"$SCRATCH/root.img")
	configure_image '.root.readonly = true | .process.args = ["sh", "-c", "cat /sys/block/vda/ro; echo new > /new"]'
	run duet_run
	echo "$output"
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = 1 ]
	[[ "$output" == *"Read-only file system"* ]]
	[ "$(sha256sum <"$SCRATCH/root.img")" = "$before" ]
}

@test "what a guest discards is given back to the host; what it flushed is there after a KILL of the monitor" {
	local id before
	configure_image '.process.args = ["sleep", "1000"]'
	id=$(new_id)
	duet_create "$id" </dev/null >/dev/null 2>&1
	duet start "$id"
	duet exec "$id" sh -c 'head -c 16000000 /dev/urandom > /large; sync'
	before=$(stat -c %b "$SCRATCH/root.img")
	duet exec --cap CAP_SYS_ADMIN "$id" sh -c 'rm /large; sync; fstrim /; echo flushed > /flushed; sync'
	[ "$(stat -c %b "$SCRATCH/root.img")" -lt $((before - 20000)) ]
	kill -KILL "$(duet state "$id" | jq .pid)"
	wait_until 10 is_in_state "$id" stopped
	duet delete "$id"
	# As after a power cut: the journal has it.
	e2fsck -fy "$SCRATCH/root.img" || true
	[ "$(debugfs -R 'cat /flushed' "$SCRATCH/root.img" 2>/dev/null)" = flushed ]
}

@test "volumes and a compressed read-only file system" {
	command -v mkfs.erofs >/dev/null || skip "mkfs.erofs is missing: install erofs-utils"
	rm "$SCRATCH/root.img"
	mkfs.erofs "$SCRATCH/root.img" "$SCRATCH/tree" >/dev/null
	mkdir -p "$SCRATCH/volume"
	configure_image '.process.args = ["sh", "-c", "mkdir /x && echo on the volume > /volume/file; cat /proc/mounts"] |
		.mounts += [{"destination": "/volume", "type": "bind", "source": $ARGS.positional[0], "options": ["rbind", "rw"]}]' "$SCRATCH/volume"
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(cat "$SCRATCH/volume/file")" = "on the volume" ]
}

@test "an image that is in use, of another format, of no file system or not there is refused by name" {
	local id
	configure_image '.process.args = ["sleep", "1000"]'
	id=$(new_id)
	duet_create "$id" </dev/null >/dev/null 2>&1
	run duet_run
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"vm.image.path: $SCRATCH/root.img is in use by another micro-VM"* ]]
	duet delete --force "$id"
	configure_image '.vm.image.format = "qcow2"'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"vm.image.format: micro-VMs take raw images only"* ]]
	configure_image '.vm.image.path += ".not"'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"vm.image.path"*"No such file"* ]]
	truncate -s 1M "$SCRATCH/empty.img"
	configure_image '.vm.image.path = $ARGS.positional[0]' "$SCRATCH/empty.img"
	run duet_run
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"no file system that the guest's kernel knows"* ]]
}
