# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The rows of micro-VMs: the monitor alone, with a guest that ends at its first instruction; and from the command to the workload's first output,
# booted, from a template, and in QEMU's microvm machine with the same kernel and with the baseline kernel. Sourced by bench-start.sh.
# shellcheck disable=SC2154,SC2164 # its variables; it runs with set -e

# The words of QEMU's machine, into the array "qemu".
qemu_machine() {
	qemu=(timeout 120 qemu-system-x86_64 -M "microvm,accel=kvm,x-option-roms=off,rtc=off" -cpu "host$1" -m 256 -nodefaults
		-no-user-config -no-reboot -display none -serial stdio)
}

# An initramfs with the same workload, into $work/initrd.cpio.
make_qemu_initrd() {
	mkdir -p "$work/initrd/bin"
	cp "$(command -v busybox)" "$work/initrd/bin/busybox"
	printf '#!/bin/busybox sh\n/bin/busybox echo hello\n/bin/busybox reboot -f\n' >"$work/initrd/init"
	chmod 755 "$work/initrd/init"
	(cd "$work/initrd" && find . | cpio --quiet -o -H newc) >"$work/initrd.cpio"
}

# Both end with a triple fault, which duet reports as such: a shell around each says that this is well.
bench_monitor() {
	local guest=$build/tests/guest/first_instruction own=(sh -c '"$@" 2>/dev/null || true' sh) rows qemu
	rows=("duet --vm" "${own[@]}" "$DUET" --root "$work/state/duet" run --vm --no-template --vm-kernel "$guest" "f{}")
	if have qemu-system-x86_64; then
		qemu_machine "$1"
		rows+=(--- "QEMU microvm" "${own[@]}" "${qemu[@]}" -kernel "$guest")
	fi
	turns "micro-VM, from the command to the guest's first instruction, and tear-down" "QEMU microvm" "$runs" "${rows[@]}"
}

# The baseline kernel gets none of the words that were found to save time.
add_qemu_rows() {
	local line qemu baseline=$build/guest-baseline/vmlinux
	line=$(grep -o 'guest kernel command line: .*' <<<"$1" | head -n 1 | cut -d: -f2- |
		sed -E 's/(virtio_mmio\.device=|8250\.|reboot=)[^ ]*//g')
	make_qemu_initrd
	qemu_machine ""
	commands+=(--- "QEMU microvm" "${qemu[@]}" -initrd "$work/initrd.cpio" -kernel "$build/guest/vmlinux" -append "console=ttyS0 reboot=t $line")
	if [ -e "$baseline" ]; then
		commands+=(--- "QEMU microvm, baseline kernel" "${qemu[@]}" -initrd "$work/initrd.cpio" -kernel "$baseline"
			-append "console=ttyS0 reboot=t quiet panic=-1")
		reference="QEMU microvm, baseline kernel"
	else
		echo "build/guest-baseline/vmlinux (scripts/bench-baseline.sh) is missing: its row is left out"
	fi
}

bench_microvm() {
	local debug warm commands reference="duet --vm, booted"
	[ -e /dev/kvm ] || {
		echo "micro-VM: /dev/kvm is missing"
		return
	}
	"$scripts/make-bundle.sh" busybox "$work/hello" /bin/echo hello
	cd "$work/hello"
	commands=("duet --vm, booted" "$DUET" --root "$work/state/duet" run --vm --no-template "v{}"
		--- "duet --vm, from a template" "$DUET" --root "$work/state/duet" run --vm --template-dir "$work/templates" "w{}")
	debug=$("$DUET" --root "$work/state/duet" --debug run --vm --template-dir "$work/templates" words 2>&1)
	warm=$("$DUET" --root "$work/state/duet" --debug run --vm --template-dir "$work/templates" words 2>&1)
	if grep -q 'software only' <<<"$debug"; then
		bench_monitor ",-arch-capabilities"
		# The kernel's own self-tests execute instructions that such a KVM gives back unfinished, and QEMU has nobody who finishes them.
		echo "QEMU microvm cannot boot this kernel on a KVM without hardware support: left out here, \`make bench-start-testbed\` has it"
	else
		bench_monitor ""
		if have qemu-system-x86_64; then
			add_qemu_rows "$debug"
		fi
	fi
	"$tools/turns" --until hello --title "micro-VM, from the command to the first output (echo hello)" --reference "$reference" \
		--json "$results" "$vm_runs" "${commands[@]}"
	echo "booted:"
	grep -o -e 'monitor ready.*' -e 'guest message.*' -e 'guest instructions.*' <<<"$debug" || true
	echo "from a template:"
	grep -o -e 'monitor ready.*' -e 'guest message.*' -e 'guest instructions.*' <<<"$warm" || true
}
