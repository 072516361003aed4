#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the pieces of the test machine (kernel and root file system) and prints the directory that holds them.
#
# usage: image.sh [--with=NAME]... [--rebuild]
#
# The pieces are kept outside the tree, under ${DUET_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/duet}/testbed/HASH, where
# HASH covers this script, the package lists asked for and the machine's unit file. Making them needs root and
# Debian's package registry; using them needs neither.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=bookworm
free_space_mib=2048
unused_days=30

die() {
	printf 'testbed: %s\n' "$*" >&2
	exit 1
}

need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ||
		die "$1 is missing: install the Debian package $2"
}

# Runs inside mmdebstrap, while the new root still has its package lists.
customize() { # ROOT
	local root=$1 work
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the directory is known now
	trap "rm -rf '$work'" EXIT

	# The kernel is unpacked, not installed: its post-installation would make an initramfs that nobody boots.
	local image
	image=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache depends linux-image-cloud-amd64 |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[[ -n $image ]] || die "linux-image-cloud-amd64 names no kernel package"
	(cd "$work" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download -q -o APT::Sandbox::User=root "$image")
	dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
	local release
	release=$(basename "$work"/kernel/lib/modules/*)
	mkdir -p "$root/lib/modules" "$root/boot"
	cp -a "$work/kernel/lib/modules/$release" "$root/lib/modules/"
	cp "$work/kernel/boot/config-$release" "$root/boot/"
	# As it came, for micro-VMs to boot.
	cp "$work/kernel/boot/vmlinuz-$release" "$root/boot/"
	cp "$work/kernel/boot/vmlinuz-$release" "$DUET_TESTBED_OUT/kernel"
	chroot "$root" depmod "$release"
	unpack_kernel "$DUET_TESTBED_OUT/kernel" "$work"

	local name
	for name in alice bob; do
		chroot "$root" useradd --create-home --shell /bin/bash "$name"
	done
	# alice may use /dev/kvm, bob may not: tests need both.
	chroot "$root" groupadd --system --force kvm
	chroot "$root" usermod --append --groups kvm alice
	grep -q '^alice:' "$root/etc/subuid" || die "useradd gave the users no subordinate ids"

	printf 'testbed\n' >"$root/etc/hostname"
	printf '127.0.0.1 localhost testbed\n::1 localhost\n' >"$root/etc/hosts"
	mkdir -p "$root/duet"
	: >"$root/etc/machine-id"
	install -m 0755 "$here/machine/stub.sh" "$root/sbin/testbed-init"
	if [[ -d $root/lib/systemd/system ]]; then
		install -D -m 0644 "$here/machine/testbed.service" "$root/etc/systemd/system/testbed.service"
	fi
	rm -rf "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/log/*.log
}

# Under software emulation the kernel's own decompression costs more than half a second of every boot. QEMU starts an
# uncompressed kernel directly (PVH); with another compression than Debian 12's LZ4 the bzImage is kept, which only
# boots slower.
unpack_kernel() { # BZIMAGE WORK
	local setup_sectors payload_offset payload_size
	setup_sectors=$(od -An -tu1 -j $((0x1f1)) -N1 "$1")
	payload_offset=$(od -An -tu4 -j $((0x248)) -N4 "$1")
	payload_size=$(od -An -tu4 -j $((0x24c)) -N4 "$1")
	# The last four bytes are the uncompressed size, not LZ4's.
	tail -c +$(((setup_sectors + 1) * 512 + payload_offset + 1)) "$1" | head -c $((payload_size - 4)) >"$2/payload" ||
		true
	[[ $(od -An -tx4 -N4 "$2/payload") == *184c2102 ]] || return 0
	lz4 -q -d -c "$2/payload" >"$2/vmlinux"
	[[ $(head -c 4 "$2/vmlinux") == $'\x7fELF' ]] || die "the kernel's payload is not an ELF file"
	mv "$2/vmlinux" "$1"
}

build() { # DIRECTORY
	need mmdebstrap mmdebstrap
	need mke2fs e2fsprogs
	need lz4 lz4

	local work packages name
	work=$(mktemp -d "$cache/new.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	packages=$(for name in base "${with[@]}"; do sed 's/#.*//' "$here/packages/$name.list"; done | xargs | tr ' ' ,)

	printf 'testbed: making the machine (%s), about a minute\n' "base${with[*]:+ ${with[*]}}" >&2
	mkdir "$work/image"
	DUET_TESTBED_OUT=$work/image timeout 900 mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
		--customize-hook="'${BASH_SOURCE[0]}' --customize \"\$1\"" "$suite" "$work/root" >"$work/log" 2>&1 || {
		tail -n 30 "$work/log" >&2
		die "mmdebstrap failed (its last lines are above)"
	}
	local used_mib
	used_mib=$(du -sm "$work/root" | cut -f1)
	# No journal: the disk's writes are thrown away with the machine.
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^has_journal -m 0 -L testbed -d "$work/root" \
		"$work/image/root.ext4" "$((used_mib + free_space_mib))M" >"$work/log"
	chmod 0644 "$work/image"/*
	chmod 0755 "$work/image"
	rm -rf "$1"
	mv "$work/image" "$1"
}

forget_unused() {
	find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime "+$unused_days" -exec rm -rf {} +
}

with=()
rebuild=0
while (($#)); do
	case $1 in
	--customize)
		customize "$2"
		exit
		;;
	--with=*) with+=("${1#*=}") ;;
	--rebuild) rebuild=1 ;;
	*) die "image.sh: unknown argument $1" ;;
	esac
	shift
done
if ((${#with[@]})); then
	mapfile -t with < <(printf '%s\n' "${with[@]}" | sort -u)
fi
lists=()
for name in base "${with[@]}"; do
	lists+=("packages/$name.list")
	[[ -f $here/packages/$name.list ]] || die "there is no package list $here/packages/$name.list"
done

cache=${DUET_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/duet}/testbed
hash=$(cd "$here" && sha256sum image.sh machine/stub.sh machine/testbed.service "${lists[@]}" | sha256sum | cut -c1-16)
directory=$cache/$hash
if ((rebuild)) || [[ ! -f $directory/root.ext4 ]]; then
	[[ $(id -u) == 0 ]] || die "making the machine's image needs root: sudo $here/image.sh ${with[*]/#/--with=}"
	mkdir -p "$cache"
	exec {lock}>"$cache/lock"
	flock -w 1200 "$lock" || die "another image.sh has held $cache/lock for 20 minutes"
	# Another one may have made it while this one waited.
	if ((rebuild)) || [[ ! -f $directory/root.ext4 ]]; then
		build "$directory"
		forget_unused
	fi
fi
touch -c "$directory" 2>/dev/null || true
printf '%s\n' "$directory"
