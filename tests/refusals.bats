#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input is refused with one clear line and status 1, and leaves nothing behind.

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	configure .
}

teardown() {
	assert_nothing_left
}

# refused TEXT COMMAND…: status 1, one line on standard error that has TEXT in it.
refused() {
	local text=$1
	shift
	run --separate-stderr "$@"
	[ "$status" -eq 1 ] || fail "status $status: $stderr"
	[ -z "$output" ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "more than one line: $stderr"
	[[ "$stderr" == *"$text"* ]] || fail "not \"$text\": $stderr"
}

@test "a missing bundle" {
	refused "No such file or directory" duet run -b "$SCRATCH/none" "$(new_id)"
}

@test "a config.json that is a pipe" {
	mkdir "$SCRATCH/pipe"
	mkfifo "$SCRATCH/pipe/config.json"
	refused "read config.json: this is no plain file" timeout -s KILL 10 "$DUET" --root "$ROOT" run -b "$SCRATCH/pipe" "$(new_id)"
	rm -r "$SCRATCH/pipe"
}

@test "a filter of system calls under which nothing could be run" {
	configure '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", syscalls: [{names: ["write", "exit_group"], action: "SCMP_ACT_ALLOW"}]}'
	refused "linux.seccomp: the filter never lets execve through" duet_run
}

@test "a config.json that is not JSON, with line and column" {
	printf '{\n  "ociVersion": oops\n}\n' >"$BUNDLE/config.json"
	refused "config.json: line 2, column" duet_run
}

@test "a missing config.json" {
	rm "$BUNDLE/config.json"
	refused "config.json" duet_run
}

@test "another version" {
	configure '.ociVersion = "2.0.0"'
	refused 'config.json: ociVersion: "2.0.0"' duet_run
}

@test "a wrong type, by its JSON path" {
	configure '.process.args = "sh"'
	refused "config.json: process.args: " duet_run
	configure '.linux.resources.memory.limit = "1G"'
	refused "config.json: linux.resources.memory.limit: " duet_run
}

@test "a missing root file system" {
	configure '.root.path = "no-rootfs"'
	refused "config.json: root.path: " duet_run
}

@test "an unknown namespace" {
	configure '.linux.namespaces[2].type = "foo"'
	refused 'config.json: linux.namespaces[2].type: unknown namespace "foo"' duet_run
}

@test "the systemd cgroup manager without systemd" {
	[ ! -d /run/systemd/system ] || skip "systemd runs here"
	refused "needs systemd as the first process" duet --systemd-cgroup run -b "$BUNDLE" "$(new_id)"
	refused "needs systemd as the first process" duet --cgroup-manager=systemd create -b "$BUNDLE" "$(new_id)"
	refused "--cgroup-manager lxc" duet --cgroup-manager=lxc create -b "$BUNDLE" "$(new_id)"
	assert_nothing_left
}

@test "an unknown isolation" {
	refused 'unknown isolation "jail"' duet_run --isolation=jail
}

@test "an id that would leave the state root" {
	refused "invalid container id" duet run -b "$BUNDLE" ../escape
	refused "invalid container id" duet state -- -x
}

@test "a second container of the same id" {
	local id
	id=$(new_id)
	duet create -b "$BUNDLE" "$id" </dev/null
	refused "container with id \"$id\" exists" duet create -b "$BUNDLE" "$id"
	duet delete --force "$id"
}

@test "a container that does not exist" {
	refused 'container "none" does not exist' duet state none
	refused 'container "none" does not exist' duet start none
	refused 'container "none" does not exist' duet kill none
	refused 'container "none" does not exist' duet delete none
}

@test "an unknown signal, command and option" {
	refused 'unknown signal "NONSENSE"' duet kill none NONSENSE
	refused 'unknown command "frobnicate"' duet frobnicate
	refused 'unknown or ambiguous option --frobnicate' duet run --frobnicate x
}

@test "no access to /dev/kvm says what to do" {
	local script='mount --bind /dev/null /dev/kvm && exec "$@"'
	command -v unshare >/dev/null
	refused "/dev/kvm" unshare -m sh -c "$script" sh "$DUET" --root "$ROOT" run --vm -b "$BUNDLE" "$(new_id)"
}

@test "a guest kernel that is not one" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	refused "neither an ELF file nor a bzImage" duet_run --vm --vm-kernel "$BUNDLE/config.json"
	refused "No such file" duet_run --vm --vm-kernel "$SCRATCH/none"
}

@test "too little memory for a guest" {
	configure '.linux.resources.memory.limit = 20971520'
	refused "too little for a micro-VM" duet_run --vm
	configure '.vm = {"kernel": {"path": "/none"}, "hwConfig": {"memory": 1048576}}'
	refused "too little" duet_run --vm
}

@test "what cannot mean the same in a micro-VM, by its JSON path" {
	configure '.linux.namespaces |= map(if .type == "ipc" then .path = "/proc/1/ns/ipc" else . end)'
	refused "linux.namespaces" duet_run --vm
	configure '.linux.namespaces |= map(select(.type != "network"))'
	refused "cannot share the host's network namespace" duet_run --vm
	configure '.linux.devices = [{"path": "/dev/sda", "type": "b", "major": 8, "minor": 0}]'
	refused "cannot have the host's device /dev/sda" duet_run --vm
}
