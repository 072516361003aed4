#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make-initrd.sh INIT OUTPUT: the guest's initial file system, an uncompressed newc archive (the kernel's
# Documentation/driver-api/early-userspace/buffer-format.rst) with INIT as /init and what it needs. No root needed,
# and the same INIT gives the same bytes.
set -eu

if [ $# -ne 2 ]; then
	echo "usage: make-initrd.sh INIT OUTPUT" >&2
	exit 2
fi
output=$2
inode=0

# Without symbols: a guest on a software-only KVM spends half a millisecond on each page that its kernel unpacks.
init=$(mktemp)
trap 'rm -f "$init" "$output.tmp"' EXIT
strip -o "$init" "$1"

# entry NAME MODE(octal) SIZE MAJOR MINOR: the header and the name, padded to four bytes
entry() {
	inode=$((inode + 1))
	printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X' \
		$inode $(($2)) 0 0 1 0 "$3" 0 0 "$4" "$5" $((${#1} + 1)) 0
	printf '%s\0' "$1"
	pad $((110 + ${#1} + 1))
}

# pad LENGTH: zeros up to the next multiple of four
pad() {
	head -c $(((4 - $1 % 4) % 4)) /dev/zero
}

directory() { entry "$1" 0040755 0 0 0; }
device() { entry "$1" 0020600 0 "$2" "$3"; }

size=$(wc -c <"$init")
{
	directory dev
	device dev/kmsg 1 11   # the standard streams of init where there is no console
	device dev/urandom 1 9 # takes the host's entropy
	directory proc
	directory cgroup # HIERARCHY_PATH of microvm/guest/init/group.c
	directory share # GUEST_SHARE_PATH of microvm/guest_protocol.h
	entry init 0100755 "$size" 0 0
	cat "$init"
	pad "$size"
	inode=-1
	entry 'TRAILER!!!' 0 0 0 0
} >"$output.tmp"
mv "$output.tmp" "$output"
