#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs every Debian package that building, testing and measuring need and that is not there yet.
set -euo pipefail

build=(build-essential pkg-config jq libseccomp-dev libcap-dev libmnl-dev libjansson-dev libcgroup-dev)
guest=(linux-source-6.1 flex bison bc libelf-dev libssl-dev xz-utils cpio kmod)
test=(bats libcmocka-dev busybox-static mmdebstrap qemu-system-x86 e2fsprogs lz4 dpkg-dev util-linux procps)
bench=(crun runc bubblewrap)
lint=(clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck)

case ${1:-all} in
all) wanted=("${build[@]}" "${guest[@]}" "${test[@]}" "${bench[@]}" "${lint[@]}") ;;
demo) wanted=("${build[@]}" "${guest[@]}" busybox-static mmdebstrap) ;;
*)
	echo "usage: $0 [all|demo]" >&2
	exit 2
	;;
esac

missing=()
for package in "${wanted[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "these Debian packages are missing; install them or run this as root: ${missing[*]}" >&2
	exit 1
fi
echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
