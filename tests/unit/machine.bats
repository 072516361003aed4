#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# SPDX-License-Identifier: Apache-2.0
# The unit tests that depend on the kernel and its cgroup layout, in the test machine: `make test-programs`, then
# `tests/testbed/run [--cgroup=v1|hybrid|v2] tests/unit/machine.bats`.

setup() {
	[[ ${DUET_TESTBED:-} == 1 ]] || skip "not in the testbed: make unit runs them here"
	programs=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build/tests/unit
}

# Shows the program's own words when it fails, and what it skipped in any case.
run_program() { # NAME
	[[ -x $programs/$1 ]] || skip "$1 is not built"
	run "$programs/$1"
	echo "$output"
	if [[ $output == *SKIPPED* ]]; then
		sed -n 's/^\[  SKIPPED \] /# skipped: /p' <<<"$output" | sort -u >&3
	fi
	[[ $status == 0 ]]
}

@test "cgroups: hierarchies, paths and rules" { run_program test_cgroup_host; }
@test "cgroups: the life of a group" { run_program test_cgroup_life; }
@test "cgroups: freezing and killing" { run_program test_cgroup_signals; }
@test "cgroups: limits" { run_program test_cgroup_limits; }
@test "cgroups: devices" { run_program test_cgroup_devices; }
@test "cgroups: as libcgroup sees them" { run_program test_cgroup_libcgroup; }
@test "seccomp: actions" { run_program test_seccomp_actions; }
@test "seccomp: arguments" { run_program test_seccomp_arguments; }
@test "seccomp: the whole program" { run_program test_seccomp_program; }
@test "seccomp: the cache" { run_program test_seccomp_cache; }

@test "no group of the tests is left" {
	[[ -z $(find /sys/fs/cgroup -name 'duet-test-*') ]]
}
