#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start-up, measured in turn in one run: `duet run` against crun, runc and bubblewrap; a micro-VM from the command to its first output against
# QEMU's microvm machine with the same kernel. RUNS= and VM_RUNS= set the number of rounds.
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
# crun refuses a hybrid cgroup layout: hide the v2 part from all of them, in a mount namespace of our own.
if [ "${DUET_BENCH_INSIDE:-}" != yes ]; then
	exec unshare -m env DUET_BENCH_INSIDE=yes "$0" "$build"
fi
if mountpoint -q /sys/fs/cgroup/unified; then
	umount /sys/fs/cgroup/unified
fi

runs=${RUNS:-40} vm_runs=${VM_RUNS:-3}
turns=$build/tests/tools/turns
export DUET=$build/duet
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

printf 'machine: %s, kernel %s, %s processors, duet %s\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(uname -r)" \
	"$(nproc)" "$("$DUET" --version | sed -n '1s/.* //p')"

"$scripts/make-bundle.sh" busybox "$work/bundle" /bin/true
cd "$work/bundle"
# A version of the specification that the peers of Debian 12 know, and a limit that needs no CAP_SYS_RESOURCE.
jq '.ociVersion = "1.0.2" | del(.process.rlimits)' config.json >config.json.new
mv config.json.new config.json

commands=(duet "$DUET" --root "$work/duet" run "d{}")
for peer in crun runc; do
	if command -v $peer >/dev/null; then
		cp /dev/null "$work/null"
		commands+=(--- "$peer" "$peer" --root "$work/$peer" run "$peer-{}")
	else
		echo "$peer is not installed: left out"
	fi
done
if command -v bwrap >/dev/null; then
	commands+=(--- bubblewrap bwrap --unshare-all --bind "$work/bundle/rootfs" / --proc /proc --dev /dev --tmpfs /tmp /bin/true)
else
	echo "bubblewrap is not installed: left out"
fi
echo
echo "container: run of the template bundle with /bin/true"
"$turns" "$runs" "${commands[@]}"

[ -e /dev/kvm ] || {
	echo "micro-VM: /dev/kvm is missing"
	exit 0
}
"$scripts/make-bundle.sh" busybox "$work/hello" /bin/echo hello
cd "$work/hello"
commands=("duet --vm" "$DUET" --root "$work/duet" run --vm "v{}")
debug=$("$DUET" --root "$work/duet" --debug run --vm words 2>&1)
if grep -q 'software only' <<<"$debug"; then
	# The kernel's own self-tests execute instructions that such a KVM gives back unfinished, and QEMU has nobody who finishes them.
	echo "QEMU microvm cannot boot this kernel on a KVM without hardware support: left out here, \`make bench-start-testbed\` has it"
elif command -v qemu-system-x86_64 >/dev/null; then
	mkdir -p "$work/initrd/bin"
	cp "$(command -v busybox)" "$work/initrd/bin/busybox"
	printf '#!/bin/busybox sh\n/bin/busybox echo hello\n/bin/busybox reboot -f\n' >"$work/initrd/init"
	chmod 755 "$work/initrd/init"
	(cd "$work/initrd" && find . | cpio --quiet -o -H newc) >"$work/initrd.cpio"
	# The guest kernel's words that duet itself uses.
	line=$(grep -o 'guest kernel command line: .*' <<<"$debug" | head -n 1 | cut -d: -f2- |
		sed -E 's/(virtio_mmio\.device=|8250\.|reboot=)[^ ]*//g')
	commands+=(--- "QEMU microvm" timeout 120 qemu-system-x86_64 -M "microvm,accel=kvm,x-option-roms=off,rtc=off" -cpu host -m 256 -nodefaults
		-no-user-config -no-reboot -display none -serial stdio -kernel "$build/guest/vmlinux" -initrd "$work/initrd.cpio"
		-append "console=ttyS0 reboot=t $line")
else
	echo "QEMU is not installed: left out"
fi
echo
echo "micro-VM: from the command to the first output (echo hello)"
"$turns" --until hello "$vm_runs" "${commands[@]}"
echo
grep -o 'monitor ready.*' <<<"$debug"
