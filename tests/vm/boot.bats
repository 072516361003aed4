#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a micro-VM boots, and how large it is.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm BUILD
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

@test "an ELF kernel is entered by PVH" {
	configure_command sh -c 'echo by PVH; nproc'
	run duet_run --vm-boot=pvh --vm-vcpus=2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'by PVH\n2' ]
}

@test "32 processors, as vm.hwConfig says" {
	configure '.process.args = ["nproc"] | .vm = { hwConfig: { vcpus: 32, memory: 536870912 } }'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = 32 ]
}

@test "more memory than there is room for below 4 GiB" {
	configure_command sh -c 'grep MemTotal /proc/meminfo; head -c 20000000 /dev/zero | wc -c'
	run duet_run --vm-memory=5G
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '/MemTotal/ { print $2 }' <<<"$output")" -gt $((4900 * 1024)) ]
	[[ "$output" == *20000000* ]]
}

@test "memory of explicit huge pages, and a reserve that is too small" {
	local reserve=/proc/sys/vm/nr_hugepages before id
	[ -w "$reserve" ] || skip "no huge pages here"
	before=$(cat "$reserve")
	configure_command sleep 1000
	id=$(new_id)
	echo 80 >"$reserve" 2>/dev/null && [ "$(cat "$reserve")" -ge 80 ] || skip "no huge pages can be reserved"
	duet_create --vm-huge-pages --vm-memory=128M "$id" </dev/null >/dev/null 2>&1
	grep -q '^HugePages_Rsvd: *[1-9]' /proc/meminfo || [ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -lt 80 ]
	duet delete --force "$id"
	run --separate-stderr duet_run --vm-huge-pages --vm-memory=256M
	echo "$before" >"$reserve"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"128 huge pages of 2 MiB are needed"* ]]
}

@test "an initrd and kernel parameters of one's own, and defaults from the configuration file" {
	mkdir -p "$SCRATCH/own/extra"
	(cd "$SCRATCH/own" && echo extra | busybox cpio -o -H newc 2>/dev/null) >"$SCRATCH/initrd"
	# Archives follow each other at multiples of 512 bytes.
	truncate -s %512 "$SCRATCH/initrd"
	cat "$BUILD/guest/initrd.cpio" >>"$SCRATCH/initrd"
	printf 'vcpus = 2\nkernel-parameters = from.the=host\n' >"$SCRATCH/duet.conf"
	configure '.process.args = ["sh", "-c", "cat /proc/cmdline; nproc"] |
		.vm = { kernel: { path: "\(env.BUILD)/guest/vmlinux", parameters: ["from.the=bundle"], initrd: "\(env.SCRATCH)/initrd" } }'
	run duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == *" from.the=host from.the=bundle"* ]]
	[ "${lines[1]}" = 2 ]
}

@test "a distribution's unmodified bzImage boots to its initrd's shell" {
	local kernel id
	kernel=$(find /boot -name 'vmlinuz-*cloud*' 2>/dev/null | head -n 1)
	[ -n "$kernel" ] || skip "Debian's cloud kernel is missing: run it in the testbed"
	mkdir -p "$SCRATCH/shell/bin"
	cp "$(command -v busybox)" "$SCRATCH/shell/bin/busybox"
	cat >"$SCRATCH/shell/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mkdir -p /proc /dev
		/bin/busybox mount -t proc proc /proc
		/bin/busybox mount -t devtmpfs dev /dev
		exec </dev/console >/dev/console 2>&1
		echo "release $(/bin/busybox uname -r), $(/bin/busybox grep -c ^processor /proc/cpuinfo) processor"
		PS1='the shell# ' exec /bin/busybox sh -i
	INIT
	chmod 755 "$SCRATCH/shell/init"
	(cd "$SCRATCH/shell" && find . | busybox cpio -o -H newc 2>/dev/null) >"$SCRATCH/initrd"
	id=$(new_id)
	# Without ACPI and MP tables this kernel knows of no IO-APIC; with its local APIC on it hears no timer interrupt either.
	kernel=$kernel configure '.process.args = ["true"] | .vm = { kernel: { path: env.kernel, parameters: ["nolapic"],
		initrd: "\(env.SCRATCH)/initrd" } }'
	duet run --vm-memory=512M --vm-console -b "$BUNDLE" "$id" </dev/null >/dev/null 2>"$SCRATCH/console" &
	wait_until 150 grep -q 'the shell#' "$SCRATCH/console" || {
		tail -n 30 "$SCRATCH/console"
		false
	}
	grep -qF "release ${kernel#*vmlinuz-}, 1 processor" "$SCRATCH/console"
	duet delete --force "$id"
	wait $! || true
}
