#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The devices of a micro-VM, measured inside, in turn with QEMU's microvm machine: the same kernel, the same disk image (raw, written through the
# host's page cache in both), the same directory (virtio-fs here, 9p there), a tap behind the same kind of interface; and what the monitor takes
# beside the guest's memory. Prints medians, ratios (above 1: duet is better) and the targets; BUILD/bench-vm.json has all figures.
# BENCH_KERNEL= names another kernel; one without 9p leaves QEMU's files out. ROUNDS= (3), MIB= of the disk's file (64), SECONDS_EACH= (1), FILES= (1000) set the size.
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
# Interfaces and mounts of our own.
if [ "${DUET_BENCH_INSIDE:-}" != yes ]; then
	exec unshare -n -m env DUET_BENCH_INSIDE=yes "$0" "$build"
fi

export DUET=$build/duet
readonly memory_mib=256 port=7000
bench=$build/tests/tools/vm_bench
kernel=${BENCH_KERNEL:-$build/guest-9p/vmlinux}
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-bench.XXXXXX")
results=$work/results.tsv
json=${BENCH_JSON:-$build/bench-vm.json}
server=''
monitor=''

finish() {
	"$DUET" --root "$work/state" delete --force bench 2>/dev/null || true
	for pid in $server $monitor; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	for namespace in duet qemu; do
		umount "$work/$namespace.net" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap finish EXIT

say() { printf '%s\n' "$*" >&2; }
fail() {
	say "bench-vm: $*"
	exit 1
}

[ -e /dev/kvm ] || fail "/dev/kvm is missing"
[ -e "$kernel" ] || fail "$kernel is missing: make bench-vm builds it"
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || fail "mke2fs is missing: install e2fsprogs"

# ---- what both get ----

"$scripts/make-bundle.sh" busybox "$work/bundle"
cp "$bench" "$work/bundle/rootfs/bin/vm_bench"
mkdir -p "$work/bundle/rootfs/share" "$work/share-duet" "$work/share-qemu"
debug=$("$DUET" --root "$work/state" --debug run --no-template --vm -b "$work/bundle" words </dev/null 2>&1 >/dev/null || true)
software=no
if grep -q 'software only' <<<"$debug"; then
	software=yes
fi
if [ $software = yes ]; then
	: "${ROUNDS:=1}" "${MIB:=4}" "${SECONDS_EACH:=3}" "${FILES:=50}"
else
	: "${ROUNDS:=3}" "${MIB:=64}" "${SECONDS_EACH:=1}" "${FILES:=1000}"
fi

# What runs inside; the last line says that the memory can be looked at.
cat >"$work/bundle/rootfs/bin/measure" <<-EOF
	#!/bin/sh
	/bin/vm_bench block "\$1" $MIB $SECONDS_EACH
	[ -z "\$2" ] || /bin/vm_bench tree "\$2" $FILES
	/bin/vm_bench net "\$3" $port $SECONDS_EACH
	echo finished
	exec sleep 1000
EOF
chmod 755 "$work/bundle/rootfs/bin/measure"
mke2fs -q -t ext4 -d "$work/bundle/rootfs" "$work/disk.img" $((MIB + 64))M

# join NAME NUMBER: a network namespace with one interface, eth0 10.98.NUMBER.2, joined to one here.
join() {
	: >"$work/$1.net"
	unshare --net="$work/$1.net" ip link set lo up
	ip link add "v$2" type veth peer name eth0 netns "$work/$1.net"
	ip addr add "10.98.$2.1/24" dev "v$2"
	ip link set "v$2" up
	nsenter --net="$work/$1.net" ip addr add "10.98.$2.2/24" dev eth0
	nsenter --net="$work/$1.net" ip link set eth0 up
}

# What QEMU has no tool for: a tap that has the interface's packets, as duet makes it.
redirect() { # NAMESPACE
	local inside=(nsenter --net="$work/$1.net") from to
	"${inside[@]}" ip addr flush dev eth0
	"${inside[@]}" ip tuntap add dev tap0 mode tap vnet_hdr
	"${inside[@]}" ip link set tap0 up
	for from in eth0 tap0; do
		[ $from = eth0 ] && to=tap0 || to=eth0
		"${inside[@]}" tc qdisc add dev $from ingress
		"${inside[@]}" tc filter add dev $from parent ffff: protocol all u32 match u8 0 0 action mirred egress redirect dev $to
	done
}

# Bytes in memory that are not the guest's: mappings as large as that are the guest's.
beside_guest() { # PID
	awk -v guest=$((memory_mib * 1024 * 3 / 4)) '
		/^[0-9a-f]+-[0-9a-f]+ / { large = 0 }
		/^Size:/ { large = $2 >= guest }
		/^Rss:/ && !large { rss += $2 }
		END { printf "%.2f", rss / 1024 }' "/proc/$1/smaps"
}

# collect WHO FILE PID: waits for the last line and puts what was measured with the results.
collect() {
	local deadline=$((SECONDS + 400)) pid=$3 shown=0 lines
	until grep -q '^finished' "$2"; do
		lines=$(wc -l <"$2")
		# Not by head: what it leaves unread kills who writes it.
		tr -d '\r' <"$2" | awk -v who="$1" -v from="$shown" -v to="$lines" -F '\t' 'NR > from && NR <= to && NF == 3 { print "  " who ": " $0 }' >&2
		shown=$lines
		if ((SECONDS > deadline)) || ! kill -0 "$pid" 2>/dev/null; then
			tail -n 20 "$2" >&2
			fail "$1 did not come to its end"
		fi
		sleep 0.2
	done
	tr -d '\r' <"$2" | awk -v who="$1" -F '\t' 'NF == 3 { print who "\t" $0 }' >>"$results"
	printf '%s\tmonitor.memory\t%s\tMiB\n' "$1" "$(beside_guest "$pid")" >>"$results"
}

# ---- duet ----

run_duet() {
	join duet 1
	disk=$work/disk.img share=$work/share-duet network=$work/duet.net jq '.process.args = ["/bin/measure", "/root", "/share", "10.98.1.1"]
		| .root.readonly = false | .vm = { image: { path: env.disk, format: "raw" } }
		| .mounts += [{ destination: "/share", type: "bind", source: env.share, options: ["rbind", "rw"] }]
		| (.linux.namespaces[] | select(.type == "network")).path = env.network' "$work/bundle/config.json" >"$work/config.json"
	mkdir -p "$work/run"
	cp "$work/config.json" "$work/run/config.json"
	"$DUET" --root "$work/state" create --vm --no-template --vm-kernel "$kernel" --vm-memory ${memory_mib}M -b "$work/run" bench \
		</dev/null >"$work/duet.out" 2>&1 || fail "$(cat "$work/duet.out")"
	"$DUET" --root "$work/state" start bench
	collect duet "$work/duet.out" "$("$DUET" --root "$work/state" state bench | jq .pid)"
	"$DUET" --root "$work/state" delete --force bench
	umount "$work/duet.net"
	ip link del v1 2>/dev/null || true
}

# ---- QEMU ----

make_initrd() {
	mkdir -p "$work/initrd/bin"
	cp "$(command -v busybox)" "$work/initrd/bin/busybox"
	cat >"$work/initrd/init" <<-'EOF'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		mkdir -p /proc /dev /disk
		mount -t proc proc /proc
		mount -t devtmpfs dev /dev
		mount -t ext4 /dev/vda /disk
		share=/share
		mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /disk/share || share=
		mount -t proc proc /disk/proc
		mount -o bind /dev /disk/dev
		ip addr add 10.98.2.2/24 dev eth0
		ip link set eth0 up
		exec chroot /disk /bin/measure /root "$share" 10.98.2.1
	EOF
	chmod 755 "$work/initrd/init"
	(cd "$work/initrd" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd.cpio"
}

run_qemu() {
	local line
	join qemu 2
	redirect qemu
	line=$(grep -o 'guest kernel command line: .*' <<<"$debug" | head -n 1 | cut -d: -f2- | sed -E 's/(virtio_mmio\.device=|8250\.|reboot=)[^ ]*//g')
	nsenter --net="$work/qemu.net" qemu-system-x86_64 -M microvm,accel=kvm,acpi=off,x-option-roms=off,rtc=off -cpu host -m $memory_mib -nodefaults \
		-no-user-config -no-reboot -display none -serial stdio -global virtio-mmio.force-legacy=false \
		-kernel "$kernel" -initrd "$work/initrd.cpio" -append "console=ttyS0 reboot=t $line" \
		-drive id=disk,file="$work/disk.img",format=raw,if=none,discard=unmap -device virtio-blk-device,drive=disk \
		-fsdev local,id=share,path="$work/share-qemu",security_model=passthrough -device virtio-9p-device,fsdev=share,mount_tag=share \
		-netdev tap,id=net,ifname=tap0,script=no,downscript=no -device virtio-net-device,netdev=net </dev/null >"$work/qemu.out" 2>&1 &
	monitor=$!
	collect "QEMU microvm" "$work/qemu.out" "$monitor"
	kill -KILL "$monitor"
	wait "$monitor" 2>/dev/null || true
	monitor=''
	umount "$work/qemu.net"
	ip link del v2 2>/dev/null || true
}

# ---- what came of it ----

report() {
	jq -R -s --arg rounds "$ROUNDS" --arg machine "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
		--arg kvm "$(grep -o 'kvm-[a-z]*[^;]*' <<<"$debug" | head -n 1)" --arg version "$("$DUET" --version | sed -n '1s/.* //p')" '
		def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
		def target: if startswith("files.") then 1.5 elif . == "monitor.memory" then 4 else 1 end;
		[split("\n")[] | select(length > 0) | split("\t") | { who: .[0], name: .[1], value: (.[2] | tonumber), unit: .[3] }] as $all
		| { duet: $version, machine: $machine, kvm: $kvm, rounds: ($rounds | tonumber), figures:
			[reduce $all[].name as $name ([]; if index([$name]) then . else . + [$name] end) | .[] as $name
			| ([$all[] | select(.name == $name and .who == "duet").value]) as $ours
			| ([$all[] | select(.name == $name and .who != "duet").value]) as $theirs
			| first($all[] | select(.name == $name).unit) as $unit
			| { name: $name, unit: $unit, duet: ($ours | median), duet_all: $ours }
				+ if ($theirs | length) > 0 then { qemu: ($theirs | median), qemu_all: $theirs,
					ratio: (if $unit == "us" or $unit == "MiB" then ($theirs | median) / ($ours | median) else ($ours | median) / ($theirs | median) end),
					target: ($name | target) } else {} end] }' "$results"
}

make_initrd
"$bench" serve $port "$SECONDS_EACH" &
server=$!
disown
ip link set lo up
peer=no
if [ $software = yes ]; then
	# The kernel's own self-tests execute instructions that such a KVM gives back unfinished, and QEMU has nobody who finishes them.
	say "QEMU microvm cannot boot this kernel on a KVM without hardware support: left out here, \`make bench-vm-testbed\` has it"
elif ! command -v qemu-system-x86_64 >/dev/null; then
	say "QEMU is not installed: left out"
else
	peer=yes
fi
for ((round = 1; round <= ROUNDS; round++)); do
	say "round $round of $ROUNDS"
	run_duet
	[ $peer = no ] || run_qemu
done
report >"$work/report.json"
jq -r '"\(.machine), \(.kvm), duet \(.duet): medians of \(.rounds)",
	(["figure", "unit", "duet", "QEMU microvm", "ratio", "target"] | @tsv),
	(.figures[] | [.name, .unit, (.duet * 100 | round / 100), (if .qemu then .qemu * 100 | round / 100 else "-" end),
		(if .ratio then .ratio * 100 | round / 100 else "-" end),
		(if .target then "\(if .name == "monitor.memory" then "4, ratio 4" else .target end): \(if .name == "monitor.memory" then (if .duet <= 4 and .ratio >= 4 then "met" else "missed" end)
			elif .ratio >= .target then "met" else "missed" end)" else "-" end)] | @tsv)' "$work/report.json" |
	awk -F '\t' 'NF < 6 { print; next } { printf "%-26s %-6s %12s %14s %7s  %s\n", $1, $2, $3, $4, $5, $6 }'
cp "$work/report.json" "$json" 2>/dev/null || cat "$work/report.json"
