#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that must pass: unit tests, the command line here, the same in the testbed, and that nothing is left behind.
# The last line is "N passed, N failed, N skipped"; what is skipped here because the machine lacks it runs in the testbed.
set -uo pipefail

build=${1:-build}
tests=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "$build" && pwd)
export BUILD
export TESTBED=${TESTBED:-yes}
# shellcheck source=tap.bash
. "$tests/tap.bash"
results=$BUILD/test-results
mkdir -p "$results"

leftovers() {
	grep -c duet /proc/self/mountinfo
	find /sys/fs/cgroup -type d -name '*duet*' 2>/dev/null | sort
	find /run/duet -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | sort
	find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'duet-test.*' 2>/dev/null | sort
	pgrep -af "$BUILD/duet" | sort
}

# take NAME COMMAND…, which prints TAP: its output, status and seconds are kept for tell.
take() {
	local name=$1 file begin=$SECONDS status
	file=$results/$(file_of "$name")
	shift
	"$@" >"$file" 2>"$file.stderr"
	status=$?
	# QEMU's emulation of nested virtualization sometimes stands still: the machine's end is not a test's failure, unless it comes twice.
	if [[ $name == testbed* && ($status -eq 124 || $status -eq 125) ]]; then
		echo "== $name: the machine died or hung after $(grep -cE '^(not )?ok ' "$file") tests (status $status): once more"
		"$@" >"$file" 2>"$file.stderr"
		status=$?
	fi
	echo "$status $((SECONDS - begin))" >"$file.end"
}

# tell NAME: what became of it.
tell() {
	local file status seconds
	file=$results/$(file_of "$1")
	read -r status seconds <"$file.end"
	if [ "$status" -ne 0 ]; then
		grep -vE '^(ok|# ok|1\.\.|.*# SKIP)' "$file"
		tail -n 20 "$file.stderr"
	fi
	count "$1" "$file" "$status" "$seconds"
}

file_of() {
	tr -c 'A-Za-z0-9\n' _ <<<"$1.tap"
}

step() {
	take "$@"
	tell "$1"
}

unit() {
	local test status=0
	for test in "$BUILD"/tests/unit/test_*; do
		case $test in *.d) continue ;; esac
		CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$test" || status=1
	done
	return $status
}

# Where guest kernel code is emulated a boot takes many seconds: there the part of the shared suite that is tagged for it.
has_hardware_kvm() {
	grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo
}

before=$(leftovers)
step "unit tests" unit
step "container, here" timeout 900 bats --tap "$tests"/*.bats
if [ ! -e /dev/kvm ]; then
	echo "== micro-VM, here: /dev/kvm is missing; the testbed runs these tests"
elif has_hardware_kvm; then
	step "micro-VM, here" env DUET_ISOLATION=microvm timeout 1200 bats --tap "$tests/both.bats" "$tests/exec.bats" "$tests/network.bats" \
		"$tests/operations.bats" "$tests"/vm/*.bats
else
	step "micro-VM, here, software KVM" env DUET_ISOLATION=microvm timeout 900 bats --tap --filter-tags smoke "$tests/both.bats" "$tests/exec.bats" \
		"$tests/vm/guest.bats" "$tests/vm/jail.bats"
fi
after=$(leftovers)
if [ "$before" = "$after" ]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "== left behind on this machine:"
	diff <(echo "$before") <(echo "$after")
fi

# Of the files that run above those that depend on the machine: emulated, a race of a second takes a minute.
containers_in_testbed() {
	take "testbed, cgroup v2, container" "$tests/testbed/run" --cgroup=v2 --timeout=900 --test-timeout=120 "$tests/testbed/smoke.bats" "$tests/both.bats" \
		"$tests/container.bats" "$tests/exec.bats" "$tests/exec_container.bats" "$tests/network.bats" "$tests/operations.bats" \
		"$tests/refusals.bats" "$tests/rootless.bats" "$tests/sandbox.bats" "$tests/sandbox_roots.bats" "$tests/spec.bats" "$tests/unit/machine.bats"
	take "testbed, cgroup v1, container" "$tests/testbed/run" --cgroup=v1 --timeout=300 --filter='limit|cgroup|control group|namespace' \
		"$tests/container.bats" "$tests/exec_container.bats"
	# criu takes ten seconds there for what takes one elsewhere: of the tests those that go the whole way.
	take "testbed, checkpoint and restore" "$tests/testbed/run" --cgroup=v2 --with=criu --timeout=420 --test-timeout=150 --filter='goes on|terminal comes' \
		"$tests/checkpoint.bats"
	for layout in v2 v1; do
		take "testbed, cgroup $layout, systemd" "$tests/testbed/run" --cgroup=$layout --init=systemd --timeout=300 "$tests/systemd.bats"
	done
}

microvms_in_testbed() {
	take "testbed, micro-VM" "$tests/testbed/run" --cgroup=v2 --timeout=1200 --test-timeout=200 --env=DUET_ISOLATION=microvm \
		--pack=build/guest/vmlinux.map "$tests/both.bats" "$tests/exec.bats" "$tests/network.bats" "$tests/operations.bats" "$tests"/vm/*.bats
}

# Emulated machines keep one processor busy each: two at a time.
if [ "$TESTBED" = yes ]; then
	microvms_in_testbed &
	containers_in_testbed
	wait $!
	for name in "cgroup v2, container" "cgroup v1, container" "checkpoint and restore" "cgroup v2, systemd" "cgroup v1, systemd" micro-VM; do
		tell "testbed, $name"
	done
fi
report
