#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Who chooses the wall, and what the host's configuration file and a bundle's annotations may say. No guest is booted: a
# bundle that shares the host's network is refused by the one wall and runs behind the other.

load helpers

setup_file() {
	setup_file_bundle
	ln -s "$DUET" "$SCRATCH/duet-microvm"
}

teardown_file() {
	teardown_file_bundle
}

# with_annotations JSON: a bundle that no micro-VM takes.
with_annotations() {
	annotations=$1 configure 'del(.linux.namespaces[] | select(.type == "network")) | .annotations = (env.annotations | fromjson) |
		.process.args = ["echo", "container"]'
}

assert_microvm() {
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"a micro-VM cannot share the host's network namespace"* ]]
}

@test "the wall: option, annotation, vm object, program's name, configuration file, container" {
	printf 'isolation = microvm\n' >"$SCRATCH/duet.conf"
	with_annotations '{}'
	[ "$(duet run -b "$BUNDLE" "$(new_id)")" = container ]
	run --separate-stderr duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	assert_microvm
	run --separate-stderr timeout 20 "$SCRATCH/duet-microvm" --root "$ROOT" run -b "$BUNDLE" "$(new_id)"
	assert_microvm
	with_annotations '{ "run.duet.isolation": "container" }'
	[ "$(duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)")" = container ]
	[ "$(timeout 20 "$SCRATCH/duet-microvm" --root "$ROOT" run -b "$BUNDLE" "$(new_id)")" = container ]
	with_annotations '{ "run.duet.isolation": "microvm" }'
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	assert_microvm
	[ "$(duet run --isolation=container -b "$BUNDLE" "$(new_id)")" = container ]
	configure 'del(.linux.namespaces[] | select(.type == "network")) | .vm = { hwConfig: { vcpus: 1 } }'
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	assert_microvm
}

@test "a configuration file that is wrong is refused by file and line, and one that others can write altogether" {
	with_annotations '{}'
	printf '# defaults\nvcpus = many\n' >"$SCRATCH/duet.conf"
	run --separate-stderr duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"duet.conf:2: vcpus: \"many\": a number from 1 to 32 is expected" ]]
	printf 'vcpus = 2\n' >"$SCRATCH/duet.conf"
	chmod 666 "$SCRATCH/duet.conf"
	run --separate-stderr duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"can be written by others"* ]]
	rm "$SCRATCH/duet.conf"
	run --separate-stderr duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"duet.conf: No such file or directory"* ]]
}

@test "annotations: features lists them, unknown ones are refused, the host says which are allowed" {
	local listed
	listed=$(duet features | jq -r '.annotations."run.duet.annotations"')
	[[ ",$listed," == *,run.duet.isolation,*run.duet.vm.vcpus,* ]]
	with_annotations '{ "run.duet.vm.kernel": "/etc/passwd" }'
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'annotations: duet knows no "run.duet.vm.kernel"'* ]]
	printf 'isolation = microvm\nannotations = run.duet.vm.memory\n' >"$SCRATCH/duet.conf"
	with_annotations '{ "run.duet.isolation": "container" }'
	run --separate-stderr duet --config "$SCRATCH/duet.conf" run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'"run.duet.isolation" is not allowed here'*"duet.conf:2)"* ]]
}

@test "an option of micro-VMs is refused for a container, and not ignored" {
	local option
	with_annotations '{}'
	for option in --vm-memory=1G --vm-vcpus=2 --vm-boot=pvh --vm-network=passt --vm-publish=1:1 --vm-watchdog=5 --vm-debug --no-template; do
		run --separate-stderr duet run "$option" -b "$BUNDLE" "$(new_id)"
		[ "$status" -eq 1 ]
		[ "$stderr" = "duet: ${option%%=*} needs --isolation=microvm" ] || fail "$stderr"
	done
}
