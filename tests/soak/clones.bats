#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Twenty micro-VMs from one template.

load ../helpers
load ../clones

setup_file() {
	setup_file_bundle
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
}

teardown_file() {
	teardown_file_bundle
}

@test "nothing that a guest draws or is given repeats in twenty clones" {
	clone_identities 20
	nothing_repeats 20
}
