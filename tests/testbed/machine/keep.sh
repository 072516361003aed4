#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keeps switched on what Linux would switch on and off in its own code at each run of a container or a micro-VM.
#
# Linux patches such switches ("static keys") into running code, by way of an INT3 that every processor may meet. QEMU
# before 8.1 translates code without a lock on its page: now and then a processor keeps the translation of the INT3
# after it is gone, takes that trap for ever, and with it the machine stands still. Seen every few hundred runs, in
# KVM's __apic_accept_irq. A key that is never the first to be wanted, nor the last, is never patched:
#   - a virtual machine with one processor that is never run: the scheduler's and the local APIC's keys (kvm);
#   - a group with a processor quota (__cfs_bandwidth_used);
#   - a group with a program for devices (cgroup_bpf_enabled_key), on v2.
# It stays in the background as long as the machine runs, and says nothing: a machine without KVM or a controller has no such key either.

group=
for cpu in /sys/fs/cgroup /sys/fs/cgroup/cpu; do
	mkdir "$cpu/testbed-keep" 2>/dev/null || continue
	group=$cpu/testbed-keep
	if [ -e "$group/cpu.max" ]; then
		echo "100000 100000" >"$group/cpu.max"
	elif [ -e "$group/cpu.cfs_quota_us" ]; then
		echo 100000 >"$group/cpu.cfs_quota_us"
	fi
done

# The numbers: KVM_CREATE_VM, KVM_CREATE_IRQCHIP, KVM_CREATE_VCPU; bpf(2) with BPF_PROG_LOAD of "return 1" as a
# BPF_PROG_TYPE_CGROUP_DEVICE, and BPF_PROG_ATTACH as BPF_CGROUP_DEVICE.
exec perl -e '
	if (open(my $kvm, "+<", "/dev/kvm")) {
		my $number = ioctl($kvm, 0xae01, 0);
		open($vm, "+<&=", int $number) && ioctl($vm, 0xae60, 0) && ($vcpu = ioctl($vm, 0xae41, 0)) if $number;
	}
	if (open(my $group, "<", $ARGV[0] || "/nowhere")) {
		my ($code, $license) = (pack("CCsl CCsl", 0xb7, 0, 0, 1, 0x95, 0, 0, 0), "GPL\0");
		my $load = pack("LLPPx64", 15, 2, $code, $license);
		$program = syscall(321, 5, $load, 64);
		my $attach = pack("LLLLx32", fileno($group), $program, 6, 0);
		syscall(321, 8, $attach, 32) if $program >= 0;
	}
	sleep(86400);
' "$group" </dev/null >/dev/null 2>&1
