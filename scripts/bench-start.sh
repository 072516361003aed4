#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start-up, measured in turn in one run: containers against crun, runc and bubblewrap, and the floor under all of them; micro-VMs against QEMU's
# microvm machine with the same kernel. Prints tables, and writes the same to BUILD/bench-start.json; where that cannot be written to, its last line is
# that.
#   bench-start.sh BUILD [PART…]      parts: run seccomp life exec throughput microvm (default: all)
# RUNS= and VM_RUNS= set the number of rounds.
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build}" && pwd)
# crun refuses a hybrid cgroup layout: hide the v2 part from all of them, in a mount namespace of our own.
if [ "${DUET_BENCH_INSIDE:-}" != yes ]; then
	exec unshare -m env DUET_BENCH_INSIDE=yes "$0" "$@"
fi
if mountpoint -q /sys/fs/cgroup/unified; then
	umount /sys/fs/cgroup/unified
fi
shift || true
parts=("$@")
[ $# -gt 0 ] || parts=(run seccomp life exec throughput microvm)

export DUET=$build/duet
export runs=${RUNS:-40} vm_runs=${VM_RUNS:-3}
tools=$build/tests/tools
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-bench.XXXXXX")
trap 'umount "$work/state"; rm -rf "$work"' EXIT
# /run, where runtimes keep their state, is a tmpfs.
mkdir "$work/state"
mount -t tmpfs tmpfs "$work/state"
results=$work/results

machine=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
version=$("$DUET" --version | sed -n '1s/.* //p')
echo "machine: $machine, kernel $(uname -r), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg), duet $version"

# turns TITLE REFERENCE RUNS ROW…
turns() {
	local title=$1 reference=$2 rounds=$3
	shift 3
	"$tools/turns" --title "$title" --reference "$reference" --json "$results" "$rounds" "$@"
}

have() {
	command -v "$1" >/dev/null || {
		echo "$1 is not installed: left out"
		return 1
	}
}

# The peers that take OCI bundles.
peers=()
for peer in crun runc; do
	if have $peer; then
		peers+=("$peer")
	fi
done

# A busybox bundle that the peers of Debian 12 can run: their version of the specification, no limit that needs CAP_SYS_RESOURCE.
#   make_bundle DIRECTORY JQ-FILTER COMMAND…
make_bundle() {
	local directory=$1 filter=$2
	shift 2
	"$scripts/make-bundle.sh" busybox "$directory" "$@"
	jq ".ociVersion = \"1.0.2\" | del(.process.rlimits) | $filter" "$directory/config.json" >"$directory/config.json.new"
	mv "$directory/config.json.new" "$directory/config.json"
}

# shellcheck source=bench/containers.bash
. "$scripts/bench/containers.bash"
# shellcheck source=bench/microvms.bash
. "$scripts/bench/microvms.bash"

for part in "${parts[@]}"; do
	"bench_$part"
done

jq -s --arg machine "$machine" --arg kernel "$(uname -r)" --argjson processors "$(nproc)" --arg version "$version" \
	'{machine: $machine, kernel: $kernel, processors: $processors, duet: $version, tables: .}' "$results" >"$work/bench-start.json"
echo
if cp "$work/bench-start.json" "$build/bench-start.json" 2>/dev/null; then
	echo "written to $build/bench-start.json"
else
	jq -Mc . "$work/bench-start.json"
fi
