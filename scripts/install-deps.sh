#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs every Debian package that building, testing and measuring need and that is not there yet.
set -euo pipefail

build=(build-essential pkg-config jq libseccomp-dev libcap-dev libmnl-dev libjansson-dev libcgroup-dev libsystemd-dev
	libarchive-dev zlib1g-dev libzstd-dev)
guest=(linux-source-6.1 flex bison bc libelf-dev libssl-dev xz-utils cpio kmod)
test=(bats python3-jsonschema libcmocka-dev busybox-static mmdebstrap qemu-system-x86 e2fsprogs lz4 zstd dpkg-dev util-linux procps gnuplot-nox
	iproute2 passt)
bench=(crun runc bubblewrap golang-github-containers-common netavark)
bench_check=(jq busybox-static hyperfine linux-perf)
clients=(podman conmon runc netavark aardvark-dns containerd containernetworking-plugins docker.io iptables iproute2 tini catatonit
	curl libcap2-bin uidmap slirp4netns python3 python3-grpcio)
report=(chromium gnuplot-nox)
fuzz=(clang libclang-rt-14-dev)
lint=(clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck)

case ${1:-all} in
all) wanted=("${build[@]}" "${guest[@]}" "${test[@]}" "${bench[@]}" "${lint[@]}") ;;
bench-check) wanted=("${build[@]}" "${bench_check[@]}") ;;
fuzz) wanted=("${build[@]}" "${fuzz[@]}") ;;
report) wanted=("${build[@]}" "${report[@]}") ;;
demo) wanted=("${build[@]}" "${guest[@]}" busybox-static mmdebstrap) ;;
clients) wanted=("${build[@]}" "${guest[@]}" "${test[@]}" "${clients[@]}") ;;
*)
	echo "usage: $0 [all|bench-check|demo|fuzz|clients|report]" >&2
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
# No daemon of theirs is to run: what needs one starts its own.
if [ ! -e /usr/sbin/policy-rc.d ]; then
	trap 'rm -f "$log" /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 0755 /usr/sbin/policy-rc.d
fi
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
