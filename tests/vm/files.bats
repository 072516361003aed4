#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Volumes over virtio-fs against the host's own file system: call by call the same results, errors, owners and times, and the same left behind.
# FS_RANDOM_SEEDS and FS_RANDOM_COUNT: which walks, and how many calls each has.

load ../helpers

setup_file() {
	setup_file_bundle
	cp "$BUILD/tests/guest/fs_random" "$BUNDLE/rootfs/bin/"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || duet list -q | xargs -r -n 1 "$DUET" --root "$ROOT" delete --force
	assert_nothing_left
}

# walk SEED COUNT ISOLATION: its output, and the tree that it leaves, under $SCRATCH/$3.
walk() {
	rm -rf "${SCRATCH:?}/$3"
	mkdir -p "$SCRATCH/$3/volume"
	configure '.process.args = ["/bin/fs_random", "/volume", $ARGS.positional[1], $ARGS.positional[2]]
		| .process.capabilities |= map_values(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETGID", "CAP_SETUID", "CAP_MKNOD"])
		| .mounts += [{"destination": "/volume", "type": "bind", "source": $ARGS.positional[0], "options": ["rbind", "rw"]}]' \
		"$SCRATCH/$3/volume" "$1" "$2"
	duet run --isolation="$3" -b "$BUNDLE" "$(new_id)" >"$SCRATCH/$3/calls"
	# Times that no call has set are now.
	(
		cd "$SCRATCH/$3/volume"
		find . -type d -printf '%p %M x%n %U:%G %T@\n' -o -printf '%p %M x%n %U:%G %T@ %s %l\n' | sed -E 's/ 1[0-9]{9}\.[0-9]+/ now/' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
	) >"$SCRATCH/$3/left"
}

@test "random calls over virtio-fs do what they do on the host's own file system" {
	local seed count=${FS_RANDOM_COUNT:-800}
	for seed in ${FS_RANDOM_SEEDS:-1}; do
		walk "$seed" "$count" container
		walk "$seed" "$count" microvm
		[ "$(wc -l <"$SCRATCH/microvm/calls")" -eq "$count" ]
		diff -U 3 "$SCRATCH/container/calls" "$SCRATCH/microvm/calls" >"$SCRATCH/difference" ||
			fail "seed $seed, calls: $(head -n 40 "$SCRATCH/difference")"
		diff -U 0 "$SCRATCH/container/left" "$SCRATCH/microvm/left" >"$SCRATCH/difference" ||
			fail "seed $seed, left behind: $(head -n 40 "$SCRATCH/difference")"
	done
}
