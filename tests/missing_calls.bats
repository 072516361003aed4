#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kernels, and filters around duet, that lack a system call: each call in turn answers ENOSYS, and the same has to come out, or one clear
# line where duet cannot do without. `make test-missing-calls` runs whole test files this way.

load helpers

setup_file() {
	setup_file_bundle
	cp "$BUILD/tests/tools/descriptors" "$BUNDLE/rootfs/bin/"
	echo content >"$SCRATCH/file"
	mkdir "$SCRATCH/volume"
	echo inside >"$SCRATCH/volume/file"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	assert_nothing_left
}

without() {
	[ -x "$BUILD/tests/tools/enosys" ] || skip "tests/tools/enosys is not built: make test-programs"
	export DUET_UNDER="$BUILD/tests/tools/enosys $1"
}

# Mounts of every kind, read-only and masked paths, a terminal, hooks with a timeout, exec: what the calls are used for.
everything_works() {
	without "$1"
	configure '.process.args = ["sh", "-c", "cat /volume/file /file; touch /volume/x /file /proc/sys/kernel/hostname; cat /proc/keys; ls /proc/acpi; mount | grep volume"]
		| .mounts += [{"destination": "/volume", "source": ($ARGS.positional[0] + "/volume"), "options": ["rbind", "ro", "nosuid"]},
			{"destination": "/file", "source": ($ARGS.positional[0] + "/file"), "options": ["bind", "ro"]},
			{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
		| .root.readonly = true | .hooks = {"createContainer": [{"path": "/bin/true", "timeout": 5}]}' "$SCRATCH"
	mkdir -p "$BUNDLE/rootfs/volume"
	: >"$BUNDLE/rootfs/file"
	run duet_run </dev/null
	[[ "$output" == $'inside\ncontent\n'* ]] || fail "$output"
	[ "$(grep -c 'Read-only file system' <<<"$output")" -eq 3 ] || fail "$output"
	[[ "$output" == *"/volume "*"(ro,nosuid"* ]] || fail "$output"
	ID=$(new_id)
	configure_command sleep 1000
	duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(duet state "$ID" | jq -r .status)" = created ]
	duet start "$ID"
	[ "$(duet exec "$ID" descriptors </dev/null 2>/dev/null | wc -l)" -eq 3 ]
	[[ "$(duet exec --tty "$ID" tty </dev/null)" == /dev/pts/* ]]
	duet kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	duet delete "$ID"
	ID=
	chmod 755 "$SCRATCH" "$SCRATCH/volume" "$BUNDLE"
	configure '.process.args = ["cat", "/volume/file"] | .linux.namespaces += [{"type": "user"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(select(.type != "mqueue"))
		| .mounts += [{"destination": "/volume", "source": ($ARGS.positional[0] + "/volume"), "options": ["bind"]}]' "$SCRATCH"
	run duet_run </dev/null
	[ "$output" = inside ] || fail "$output"
}

@test "without openat2" { everything_works openat2; }
@test "without clone3" { everything_works clone3; }
@test "without mount_setattr" { everything_works mount_setattr; }
@test "without open_tree" { everything_works open_tree; }
@test "without move_mount" { everything_works move_mount; }
@test "without fsopen" { everything_works fsopen; }
@test "without close_range" { everything_works close_range; }
@test "without execveat" { everything_works execveat; }
@test "on Linux 5.10" { everything_works mount_setattr,close_range_cloexec,landlock_create_ruleset; }
@test "behind a filter that knows nothing since Linux 5.0" {
	everything_works openat2,clone3,mount_setattr,open_tree,move_mount,fsopen,fsconfig,fsmount,close_range,faccessat2,pidfd_getfd
}

@test "without pidfd_open or pidfd_send_signal one line says what is needed, and nothing is thought stopped" {
	ID=$(new_id)
	configure_command sleep 1000
	duet run --detach -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	for call in pidfd_open pidfd_send_signal; do
		without $call
		for command in "state $ID" "kill $ID" "delete $ID" "delete --force $ID" "exec $ID true" "run -b $BUNDLE other" "create -b $BUNDLE other" "start $ID"; do
			# shellcheck disable=SC2086
			run --separate-stderr duet $command
			[ "$status" -ne 0 ]
			[[ "$stderr" == *"pidfd_open(2) and pidfd_send_signal(2) are needed (Linux 5.10"* ]] || fail "$command: $stderr"
			[ "$(wc -l <<<"$stderr")" -eq 1 ]
		done
	done
	unset DUET_UNDER
	is_in_state "$ID" running
}

@test "an idmapped mount without mount_setattr is refused by name" {
	without mount_setattr
	configure '.process.args = ["true"] | .mounts += [{"destination": "/volume", "source": ($ARGS.positional[0] + "/volume"), "options": ["bind", "idmap"],
		"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}]' "$SCRATCH"
	run --separate-stderr duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"idmapped mounts"* || "$stderr" == *"map the ids"* ]] || fail "$stderr"
}
