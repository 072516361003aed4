#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes an OCI bundle.
#   make-bundle.sh busybox|debian DIRECTORY [COMMAND…]
# busybox: the statically linked one of the package busybox-static. debian: a minimal Debian by mmdebstrap, kept as a tar file
# in the cache directory, since it takes a minute to make. The command (default: sh) becomes process.args.
set -euo pipefail

kind=$1 bundle=$2
shift 2
[ $# -gt 0 ] || set -- sh
duet=${DUET:-$(dirname "$0")/../build/duet}
cache=${DUET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/duet}

make_busybox() {
	mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp}
	chmod 1777 "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in $("$1/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$1/etc/group"
}

make_debian() {
	local tar=$cache/bundles/debian-bookworm.tar
	if [ ! -s "$tar" ]; then
		mkdir -p "${tar%/*}"
		# The format goes by the name's ending.
		mmdebstrap --quiet --variant=minbase bookworm "${tar%.tar}.$$.tar" || {
			rm -f "${tar%.tar}.$$.tar"
			exit 1
		}
		mv "${tar%.tar}.$$.tar" "$tar"
	fi
	mkdir -p "$1"
	# Device nodes are the runtime's business.
	tar -C "$1" --exclude='./dev/*' -xf "$tar"
}

mkdir -p "$bundle"
"make_$kind" "$bundle/rootfs"
rm -f "$bundle/config.json"
"$duet" spec -b "$bundle"
jq '.process.terminal = false | .root.readonly = false | .process.args = $ARGS.positional' --args -- "$@" \
	<"$bundle/config.json" >"$bundle/config.json.new"
mv "$bundle/config.json.new" "$bundle/config.json"
