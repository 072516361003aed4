#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What does the wall itself add to a system call, where KVM has hardware support? The machine is the testbed's. Its own kernel is Debian's,
# which is built and hardened in another way than a guest's, so that the two columns of `duet bench` are two kernels as well as two places.
# Here one kernel, duet's, runs in both: on that machine itself, and in a micro-VM on it; mitigations=off in all. Prints the null system call
# and the anonymous page fault of both, then what `duet bench` says there of the same and of file work; ends with 1 when the null call in the
# micro-VM is more than 20 % off.
#   bench-null.sh BUILD          RUNS= rounds of duet bench (default 10)
set -euo pipefail

DUET_BUILD=$(cd "${1:-build}" && pwd)
export DUET_BUILD
runs=${RUNS:-10}
# shellcheck disable=SC2034 # for the messages of what is sourced
tool=bench-null
# shellcheck source=tests/testbed/machine.bash
. "$(dirname "$0")/../tests/testbed/machine.bash"
out=$build/bench-null
mkdir -p "$out"
cases=(getpid fault-anonymous)

orders() {
	local name
	for name in "${cases[@]}" "${cases[@]}" "${cases[@]}"; do
		echo "measure $name 60 300"
	done
}

# The measuring program as the only process of the machine, on its serial port; adds "CASE NANOSECONDS" for each sample to $out/bare.
measure_bare() {
	local line name pid given orders_given=0
	mapfile -t given < <(orders)
	coproc serial {
		timeout 100 qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none "${machine_hardware[@]}" -smp 2 -m 512 \
			-kernel "$build/guest/vmlinux" -initrd "$out/initrd.cpio" -serial stdio \
			-append "console=ttyS0 quiet panic=-1 reboot=k no_timer_check tsc=reliable tsc_early_khz=$tsc_khz noreplace-smp mitigations=off rdinit=/measure -- serve /"
	}
	# shellcheck disable=SC2154 # what the coprocess is called
	pid=$serial_PID
	while IFS= read -r line <&"${serial[0]}"; do
		line=${line%$'\r'}
		case $line in
		sample*) echo "$name ${line##* }" >>"$out/bare" ;;
		skip*) die "the measuring program: $line" ;;
		ready* | done*)
			((orders_given < ${#given[@]})) || break
			name=${given[orders_given]#measure }
			name=${name%% *}
			printf '%s\n' "${given[orders_given++]}" >&"${serial[1]}"
			;;
		esac
	done
	# It ends with its input, and the machine with it.
	printf '\004' >&"${serial[1]}"
	wait "$pid" || true
	[[ -s $out/bare ]] || die "the machine ended without a sample"
}

# figure NAME: the least of the machine's own samples, in nanoseconds: what other processes of this host take is above it.
bare() { awk -v name="$1" '$1 == name { print $2 }' "$out/bare" | sort -g | head -n 1; }
benched() { # CASE COLUMN
	jq --arg case "$1" --arg column "$2" '.suites[].cases[] | select(.name == $case) | .results[] | select(.column == $column) | .minimum' "$out/bench.json"
}

rm -f "$out/bare"
(cd "$build/guest" && echo measure | cpio -o -H newc --quiet) >"$out/initrd.cpio"
machine_need qemu-system-x86_64 qemu-system-x86
tsc_khz=2000000
[[ ! -x $build/testbed/tsc ]] || tsc_khz=$("$build/testbed/tsc")
# Before and after the other: the load of this host changes.
measure_bare
"$testbed/shell" --append=randomize_kstack_offset=off --timeout=500 -- sh -c "
	printf 'kernel-parameters = mitigations=off\n' >/tmp/settings
	TMPDIR=/var/tmp /duet/build/duet --config=/tmp/settings bench --isolation=host,microvm-snapshot --suite=syscalls,files,exits --runs=$runs \
		--format=json 2>/dev/null" >"$out/bench.json"
measure_bare
"$build/duet" bench --from "$out/bench.json" --report "$out/report.html" >"$out/report.txt"

status=0
for name in "${cases[@]}"; do
	awk -v name="$name" -v bare="$(bare "$name")" -v guest="$(benched "$name" microvm-snapshot)" -v host="$(benched "$name" host)" '
		BEGIN {
			far = name == "getpid" && (guest > bare * 1.2 || guest < bare / 1.2)
			printf "%-16s the same kernel on the machine itself %8.0f ns, in a micro-VM %8.0f ns (%+.0f %%)%s; the machine%ss own kernel %8.0f ns\n", name,
				bare, guest, (guest / bare - 1) * 100, far ? "  DIFFERS (bound 20 %)" : "", "\047", host
			exit far }' || status=1
done
grep -E '^guest|^mitigations|^  microvm-snapshot: |one takes' "$out/report.txt"
echo "all of it: $out/report.txt, $out/report.html"
exit $status
