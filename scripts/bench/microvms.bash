# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The rows of micro-VMs, from the command to the workload's first output: booted, from a template, and QEMU's microvm machine with the same
# kernel. Sourced by bench-start.sh.
# shellcheck disable=SC2154,SC2164 # its variables; it runs with set -e

# The words for the same kernel in QEMU, from a debug log of duet's own start, into the array "qemu".
qemu_command() {
	local line
	mkdir -p "$work/initrd/bin"
	cp "$(command -v busybox)" "$work/initrd/bin/busybox"
	printf '#!/bin/busybox sh\n/bin/busybox echo hello\n/bin/busybox reboot -f\n' >"$work/initrd/init"
	chmod 755 "$work/initrd/init"
	(cd "$work/initrd" && find . | cpio --quiet -o -H newc) >"$work/initrd.cpio"
	line=$(grep -o 'guest kernel command line: .*' <<<"$1" | head -n 1 | cut -d: -f2- |
		sed -E 's/(virtio_mmio\.device=|8250\.|reboot=)[^ ]*//g')
	qemu=(timeout 120 qemu-system-x86_64 -M "microvm,accel=kvm,x-option-roms=off,rtc=off" -cpu host -m 256 -nodefaults
		-no-user-config -no-reboot -display none -serial stdio -kernel "$build/guest/vmlinux" -initrd "$work/initrd.cpio"
		-append "console=ttyS0 reboot=t $line")
}

bench_microvm() {
	local debug qemu commands
	[ -e /dev/kvm ] || {
		echo "micro-VM: /dev/kvm is missing"
		return
	}
	"$scripts/make-bundle.sh" busybox "$work/hello" /bin/echo hello
	cd "$work/hello"
	commands=("duet --vm, booted" "$DUET" --root "$work/state/duet" run --vm --no-template "v{}"
		--- "duet --vm, from a template" "$DUET" --root "$work/state/duet" run --vm "w{}")
	debug=$("$DUET" --root "$work/state/duet" --debug run --vm --no-template words 2>&1)
	if grep -q 'software only' <<<"$debug"; then
		# The kernel's own self-tests execute instructions that such a KVM gives back unfinished, and QEMU has nobody who finishes them.
		echo "QEMU microvm cannot boot this kernel on a KVM without hardware support: left out here, \`make bench-start-testbed\` has it"
	elif have qemu-system-x86_64; then
		qemu_command "$debug"
		commands+=(--- "QEMU microvm" "${qemu[@]}")
	fi
	"$tools/turns" --until hello --title "micro-VM, from the command to the first output (echo hello)" --reference "duet --vm, booted" \
		--json "$results" "$vm_runs" "${commands[@]}"
	grep -o 'monitor ready.*' <<<"$debug" || true
}
