#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The jail around the monitor: what its threads may do, what it sees, what it has open. As docs/security.md says it.

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

# Creates container $id with a guest that waits, its monitor $pid. The caller has a group that the monitor must not keep.
create_waiting() {
	id=$(new_id)
	configure_command sleep 1000
	setpriv --groups 4242 "$DUET" --root "$ROOT" create --isolation=microvm -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	pid=$(duet state "$id" | jq .pid)
}

# thread_named NAME: prints the number of that thread of $pid.
thread_named() {
	grep -lx "$1" /proc/"$pid"/task/*/comm | head -n 1 | cut -d/ -f5
}

# bits CAPABILITY…: prints the set as /proc shows it.
bits() {
	local set=0 capability
	for capability; do
		set=$((set | 1 << capability))
	done
	printf '%016x' $set
}

# bats test_tags=smoke
@test "every thread of a monitor has a filter and no privilege but, to serve files, what that needs" {
	create_waiting
	# KVM's own worker is a kernel's thread that the process lends its name to.
	names=$(cat /proc/"$pid"/task/*/comm | grep -v ^kvm- | sort | tr '\n' ' ')
	[ "$names" = "devices duet fs vcpu0 " ] || fail "threads: $names"
	# chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap
	serving=$(bits 0 1 3 4 6 7 27 31)
	for task in /proc/"$pid"/task/*; do
		[[ $(cat "$task/comm") != kvm-* ]] || continue
		wanted=0000000000000000
		[ "$(cat "$task/comm")" != fs ] || wanted=$serving
		run awk -v wanted="$wanted" -v thread="$(cat "$task/comm")" '
			/^NoNewPrivs:/ && $2 != 1 || /^Seccomp:/ && $2 != 2 { print }
			/^Cap(Inh|Bnd|Amb):/ && $2 != "0000000000000000" { print }
			/^Groups:/ && thread == "fs" && NF > 1 { print }
			/^Cap(Prm|Eff):/ && $2 != wanted { print }' "$task/status"
		[ -z "$output" ] || fail "$(cat "$task/comm"): $output"
	done
	# What it executes cannot be changed through it.
	run chmod u+w "/proc/$pid/exe"
	[[ "$output" == *"Read-only file system"* || "$output" == *"Operation not permitted"* ]]
	duet delete --force "$id"
}

@test "a monitor lives in namespaces of its own, under a root with the bundle's files alone" {
	create_waiting
	for namespace in mnt pid net ipc uts cgroup; do
		[ "$(readlink "/proc/$pid/ns/$namespace")" != "$(readlink "/proc/self/ns/$namespace")" ] ||
			fail "it shares the host's $namespace namespace"
	done
	[ "$(ls -A "/proc/$pid/root")" = $'binds\nrootfs' ]
	# Of what mounts there are, none is the host's: the root, and the root file system below it.
	run awk '{ print $5 }' "/proc/$pid/mountinfo"
	[ "$output" = $'/\n/rootfs' ] || fail "mounts: $output"
	grep -q ' /rootfs .*nosuid.*nodev' "/proc/$pid/mountinfo"
	grep -q '^[0-9 ]*[0-9:]* [^ ]* / ro' "/proc/$pid/mountinfo"
	[ "$(grep -c : "/proc/$pid/net/dev")" -eq 1 ] # lo
	duet delete --force "$id"
}

@test "a monitor has nothing open but its machine, its streams and the served files" {
	local fd target standard=0
	create_waiting
	for fd in /proc/"$pid"/fd/*; do
		target=$(readlink "$fd" || true)
		case $target in
		anon_inode:kvm-vm | anon_inode:kvm-vcpu:* | anon_inode:kvm-*-stats* | anon_inode:'[eventfd]' | anon_inode:'[eventpoll]' | anon_inode:'[signalfd]') ;;
		socket:*) ;; # the control socket, and the pair that leads to the devices' thread
		/dev/null | /null) standard=$((standard + 1)) ;;
		/ | /rootfs | /rootfs/*) ;; # what is served
		/proc/*/fd | /*) [ "$(stat -f -c %T "$fd/" 2>/dev/null)" = proc ] || fail "descriptor ${fd##*/} is $target" ;;
		'') ;; # closed meanwhile
		*) fail "descriptor ${fd##*/} is $target" ;;
		esac
	done
	# Standard streams, and a copy of each for the guest's.
	[ $standard -le 6 ]
	set -- /proc/"$pid"/fd/*
	[ $# -lt 64 ]
	duet delete --force "$id"
}

@test "a system call that a thread has no use for ends the monitor, whichever thread makes it" {
	local name thread
	# openat(2), execve(2), socket(2), mprotect(2)
	for name in "duet 257" "devices 41" "fs 59" "vcpu0 10"; do
		create_waiting
		thread=$(thread_named "${name% *}")
		run "$BUILD/tests/tools/inject_syscall" "$thread" "${name#* }" 0 0 7
		[ "$output" = "killed by signal 31" ] || fail "$name: $output"
		wait_until 10 is_in_state "$id" stopped
		duet delete "$id"
	done
}

@test "run says that the filter ended the monitor" {
	local id pid
	id=$(new_id)
	configure_command sleep 1000
	duet run --isolation=microvm -b "$BUNDLE" "$id" </dev/null >/dev/null 2>"$SCRATCH/stderr" &
	wait_until 60 is_in_state "$id" running
	pid=$(duet state "$id" | jq .pid)
	"$BUILD/tests/tools/inject_syscall" "$(thread_named devices)" 41
	status=0
	wait $! || status=$?
	[ "$status" -eq 1 ]
	grep -q "killed by its system call filter" "$SCRATCH/stderr"
}

@test "an image configures no machine" {
	local name
	for name in .krun_config.json .krun_vm.json .vm.json config.json duet.conf etc/duet/duet.conf etc/duet.conf; do
		mkdir -p "$BUNDLE/rootfs/$(dirname "$name")"
		printf '{"kernel": {"path": "/nowhere"}, "vm": {"kernel": {"path": "/nowhere"}}}\nkernel = /nowhere\n' >"$BUNDLE/rootfs/$name"
		ln -s /etc/passwd "$BUNDLE/rootfs/$name.link"
	done
	configure_command sh -c 'cat /.krun_vm.json >/dev/null && echo in the guest'
	run duet_run
	[ "$status" -eq 0 ]
	[ "$output" = "in the guest" ]
}
