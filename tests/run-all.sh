#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that must pass: unit tests, the command line here, the same in the testbed, and that nothing is left behind.
# "more" as a second argument: what takes longer, in the testbed alone.
# The last line is "N passed, N failed, N skipped"; what is skipped here because the machine lacks it runs in the testbed.
set -uo pipefail

build=${1:-build}
part=${2:-all}
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
		tail -n 2 "$file"
		grep -h "the machine" "$file.stderr"
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

# One processor is enough for either: containers wait much, and a micro-VM has one virtual processor.
here() {
	local before machine
	before=$(leftovers)
	step "unit tests" unit
	if [ ! -e /dev/kvm ]; then
		echo "== micro-VM, here: /dev/kvm is missing; the testbed runs these tests"
	elif has_hardware_kvm; then
		machine="micro-VM, here"
		take "$machine" env DUET_ISOLATION=microvm timeout 1200 bats --tap "$tests/both.bats" "$tests/exec.bats" "$tests/network.bats" \
			"$tests/operations.bats" "$tests/parity.bats" "$tests"/vm/*.bats &
	else
		machine="micro-VM, here, software KVM"
		take "$machine" env DUET_ISOLATION=microvm timeout 900 bats --tap --filter-tags smoke "$tests/both.bats" "$tests/exec.bats" \
			"$tests/vm/guest.bats" "$tests/vm/jail.bats" &
	fi
	step "container, here" timeout 900 bats --tap "$tests"/*.bats
	wait
	[ -z "${machine:-}" ] || tell "$machine"
	count_leftovers "$before" "$(leftovers)"
}

in_testbed() { # NAME OPTION… FILE…
	local name=$1
	shift
	take "testbed, $name" "$tests/testbed/run" "$@"
}

# Of the files that run above those that depend on the machine: emulated, a race of a second takes a minute.
containers_in_testbed() {
	in_testbed "cgroup v2, container" --cgroup=v2 --timeout=1200 "$tests/testbed/smoke.bats" "$tests/both.bats" "$tests/container.bats" \
		"$tests/exec.bats" "$tests/exec_container.bats" "$tests/operations.bats" "$tests/unit/machine.bats"
}

microvms_in_testbed() {
	in_testbed "micro-VM" --cgroup=v2 --timeout=1200 --test-timeout=200 --env=DUET_ISOLATION=microvm "$tests/both.bats" "$tests/exec.bats" \
		"$tests/network.bats" "$tests/operations.bats"
}

more_containers_in_testbed() {
	in_testbed "cgroup v2, systemd" --cgroup=v2 --init=systemd --timeout=400 "$tests/systemd.bats"
	in_testbed "cgroup v1, container" --cgroup=v1 --timeout=400 --filter='limit|cgroup|control group|namespace' "$tests/container.bats" \
		"$tests/exec_container.bats"
	in_testbed "cgroup v1, systemd" --cgroup=v1 --init=systemd --timeout=400 "$tests/systemd.bats"
	in_testbed "sandboxes, ordinary users" --cgroup=v2 --timeout=1500 "$tests/parity.bats" "$tests/network.bats" "$tests/refusals.bats" \
		"$tests/spec.bats" "$tests/rootless.bats" "$tests/sandbox.bats" "$tests/sandbox_network.bats" "$tests/sandbox_roots.bats" \
		"$tests/sandbox_rootless.bats"
	# criu takes ten seconds there for what takes one elsewhere: of the tests those that go the whole way.
	in_testbed "checkpoint and restore" --cgroup=v2 --with=criu --timeout=400 --filter='goes on|terminal comes' "$tests/checkpoint.bats"
}

more_microvms_in_testbed() {
	in_testbed "the micro-VM's own" --cgroup=v2 --timeout=2400 --test-timeout=200 --env=DUET_ISOLATION=microvm --pack=build/guest/vmlinux.map \
		"$tests/parity.bats" "$tests"/vm/*.bats
}

# Emulated machines keep one processor busy each: two at a time.
case $part in
all)
	here
	if [ "$TESTBED" = yes ]; then
		microvms_in_testbed &
		containers_in_testbed
		wait $!
		for name in "cgroup v2, container" micro-VM; do
			tell "testbed, $name"
		done
	fi
	;;
more)
	more_microvms_in_testbed &
	more_containers_in_testbed
	wait $!
	for name in "cgroup v2, systemd" "cgroup v1, container" "cgroup v1, systemd" "sandboxes, ordinary users" \
		"checkpoint and restore" "the micro-VM's own"; do
		tell "testbed, $name"
	done
	;;
*)
	echo "usage: $0 [BUILD [all|more]]" >&2
	exit 2
	;;
esac
report
