#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Micro-VMs that go on from a booted guest's snapshot: the same container, nothing of another one in it.

load ../helpers
load ../clones

setup_file() {
	export DUET_ISOLATION=microvm DUET_CACHE_DIR
	setup_file_bundle
	DUET_CACHE_DIR=$SCRATCH/cache
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

went_on() {
	[[ "$stderr" == *"the guest goes on from a template"* ]]
}

debug_run() {
	timeout -k 5 120 "$DUET" --debug --root "$ROOT" run --vm "$@" -b "$BUNDLE" "$(new_id)"
}

# bats test_tags=smoke
@test "the first guest boots and leaves a template, the next goes on from it" {
	configure_command sh -c 'echo hello; uname -n; exit 7'
	duet template prune
	run --separate-stderr debug_run
	[ "$status" -eq 7 ]
	! went_on || fail "there was no template yet"
	[ "$(find "$DUET_CACHE_DIR/templates" -type f | wc -l)" -eq 1 ]
	[ "$(stat -c %a "$DUET_CACHE_DIR"/templates/*)" = 600 ]
	duet template list | grep -q MiB
	run --separate-stderr debug_run
	[ "$status" -eq 7 ]
	went_on
	[ "${lines[0]}" = hello ]
}

# bats test_tags=smoke
@test "nothing that should be different is the same in two clones" {
	configure_command sh -c 'cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1; cat /proc/self/maps | grep stack; date +%s'
	run --separate-stderr debug_run
	went_on
	one=("${lines[@]}")
	run --separate-stderr debug_run
	went_on
	for i in 0 1 2; do
		[ "${one[$i]}" != "${lines[$i]}" ] || fail "${lines[$i]} came twice"
	done
	((lines[3] - $(date +%s) < 60 && $(date +%s) - lines[3] < 60)) || fail "the clock is wrong: ${lines[3]}"
}

@test "a damaged template is named and removed, and the guest boots" {
	configure_command true
	duet template prune
	run --separate-stderr debug_run
	template=$(echo "$DUET_CACHE_DIR"/templates/*)
	# In the guest's memory: the kernel's text, at 16 MiB there.
	printf xxxx | dd of="$template" bs=1 seek=$((19 << 20)) conv=notrunc status=none
	run --separate-stderr debug_run
	[ "$status" -eq 0 ]
	! went_on || fail "it went on from a damaged template"
	[[ "$stderr" == *"cannot be used and is removed"* ]]
	[ ! -e "$template" ] || [ "$(tail -c +$(((19 << 20) + 1)) "$template" | head -c 4)" != xxxx ]
}

@test "one cut short is refused as well" {
	configure_command true
	run --separate-stderr debug_run
	truncate -s 3M "$DUET_CACHE_DIR"/templates/*
	run --separate-stderr debug_run
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"cannot be used and is removed"* ]]
}

@test "other memory is another template, and is refused as such, as one of another version; --no-template neither reads nor writes one" {
	local other own
	configure_command true
	duet template prune
	debug_run --no-template
	[ -z "$(find "$DUET_CACHE_DIR/templates" -type f)" ]
	debug_run
	other=$(echo "$DUET_CACHE_DIR"/templates/*)
	configure '.process.args = ["true"] | .linux.resources.memory.limit = 134217728'
	run --separate-stderr debug_run
	[ "$status" -eq 0 ]
	! went_on || fail "it went on from a template of another size"
	[ "$(find "$DUET_CACHE_DIR/templates" -type f | wc -l)" -eq 2 ]

	# One under the name of another; then one of an older version, and what is none. No need to wait for the boot that follows.
	refused() {
		run --separate-stderr debug_run --vm-boot-timeout 1
		! went_on || fail "it went on from it"
		[[ "$stderr" == *"$1"*"cannot be used and is removed"* ]]
	}
	own=$(find "$DUET_CACHE_DIR/templates" -type f ! -path "$other")
	cp -p "$own" "$SCRATCH/kept"
	cp "$other" "$own"
	refused "the snapshot is of another machine, kernel or host"
	cp -p "$SCRATCH/kept" "$own"
	printf '\1' | dd of="$own" bs=1 seek=8 conv=notrunc status=none
	refused "a snapshot of version 1, this is version"
	cp -p "$SCRATCH/kept" "$own"
	printf x | dd of="$own" bs=1 conv=notrunc status=none
	refused "this is no snapshot of a machine"
	rm "$SCRATCH/kept"
}

@test "create makes the template of a bundle, in a directory of its own where that is asked for" {
	configure_command sh -c 'echo never >/created'
	duet template create --template-dir "$SCRATCH/tenant" -b "$BUNDLE" --vm-memory=96M
	[ ! -e "$BUNDLE/rootfs/created" ]
	[ "$(duet template list --template-dir "$SCRATCH/tenant" | grep -c MiB)" -eq 1 ]
	configure_command true
	run --separate-stderr debug_run --vm-memory=96M --template-dir "$SCRATCH/tenant"
	[ "$status" -eq 0 ]
	went_on
	duet template prune --template-dir "$SCRATCH/tenant"
	[ -z "$(find "$SCRATCH/tenant" -type f)" ]
}

@test "a directory that others may write to is not used" {
	configure_command true
	duet template prune
	chmod 777 "$DUET_CACHE_DIR/templates"
	run --separate-stderr debug_run
	chmod 700 "$DUET_CACHE_DIR/templates"
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"not this user's alone"* ]]
	[ -z "$(find "$DUET_CACHE_DIR/templates" -type f)" ]
}

@test "clones side by side" {
	configure_command sh -c 'head -c 16 /proc/sys/kernel/random/uuid'
	debug_run >"$SCRATCH/first" 2>/dev/null
	local clones=()
	for i in 1 2; do
		debug_run >"$SCRATCH/clone.$i" 2>/dev/null &
		clones+=($!)
	done
	# By their ids: the test's own time is counted by a job as well.
	wait "${clones[@]}"
	[ "$(cat "$SCRATCH"/clone.* | fold -w 16 | sort -u | wc -l)" -eq 2 ]
}

# `make soak` takes twenty.
@test "nothing that a guest draws or is given repeats in clones" {
	clone_identities 4
	nothing_repeats 4
}
