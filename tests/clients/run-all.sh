#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real container engines drive the runtime, one after another, each in a room of its own. One line for each; the last line is
# "N passed, N failed, N skipped".
#   CLIENTS="podman docker"  only these
#   CLIENTS_RUNTIME=/usr/sbin/runc  with another runtime, as a control; no micro-VMs then
#   TESTBED=no  leaves the testbed out
set -uo pipefail

build=${1:-build}
here=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "$build" && pwd)
export BUILD
# shellcheck source=../tap.bash
. "$here/../tap.bash"
results=$BUILD/test-results
mkdir -p "$results"

# Only what a room would leave: other tests may run beside this.
leftovers() {
	grep -F duet-clients /proc/self/mountinfo
	find /sys/fs/cgroup -type d -name 'duet-clients*' 2>/dev/null | sort
	find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'duet-clients.*' 2>/dev/null | sort
}

# step NAME SECONDS COMMAND…: prints TAP.
step() {
	local name=$1 limit=$2 file begin=$SECONDS status
	file=$results/clients-${1//[^a-z]/_}.tap
	shift 2
	timeout -k 20 "$limit" "$@" >"$file" 2>"$file.stderr"
	status=$?
	if [ $status -ne 0 ]; then
		grep -vE '^(ok|# ok|1\.\.|.*# skip)' "$file"
		tail -n 20 "$file.stderr"
	fi
	count "$name" "$file" $status $((SECONDS - begin))
}

if [ "$(id -u)" -ne 0 ]; then
	echo "the engines' daemons need root: run this as root" >&2
	exit 1
fi
before=$(leftovers)
for client in ${CLIENTS:-podman rootless containerd cri docker}; do
	step "$client" 300 "$here/room" bats --tap "$here/$client.bats"
done
if [ -z "${CLIENTS:-}${CLIENTS_RUNTIME:-}" ]; then
	if [ ! -e /dev/kvm ]; then
		echo "== micro-VM, here: /dev/kvm is missing; the testbed runs these tests"
	elif grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
		step "micro-VM, here" 300 "$here/room" bats --tap "$here/microvm.bats"
	else
		step "micro-VM, here, software KVM" 300 "$here/room" bats --tap --filter-tags smoke "$here/microvm.bats"
	fi
	[ "${TESTBED:-yes}" != yes ] || step "micro-VM, testbed" 900 "$here/../testbed/run" --with=clients --memory=4096 --pack=docs/ci \
		--test-timeout=300 --timeout=840 "$here/microvm.bats"
fi
count_leftovers "$before" "$(leftovers)"
report
