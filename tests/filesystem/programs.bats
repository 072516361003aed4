#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs of others that test file systems, in a guest on a volume over virtio-fs: what they find wrong there and not in a container is wrong. `make
# test-files-testbed` runs them. STRESS_SECONDS: for each stressor (1).

load ../helpers

setup_file() {
	command -v fio >/dev/null || skip "fio is missing"
	command -v stress-ng >/dev/null || skip "stress-ng is missing"
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	# The testbed's /tmp is in memory, where nothing can be written directly (O_DIRECT).
	TMPDIR=/var/tmp setup_file_bundle
	mkdir -p "$BUNDLE/rootfs/volume" "$BUNDLE/rootfs/usr" "$BUNDLE/rootfs/lib" "$BUNDLE/rootfs/lib64"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || duet list -q | xargs -r -n 1 "$DUET" --root "$ROOT" delete --force
	assert_nothing_left
}

# on_volume ISOLATION SCRIPT: a shell in the machine's own system (read-only), on a new volume.
on_volume() {
	rm -rf "${SCRATCH:?}/volume"
	mkdir -p "$SCRATCH/volume"
	# busybox's root is a link farm: the shell comes from there, all else from the machine.
	configure '.process.args = ["sh", "-c", $ARGS.positional[1]] | .process.cwd = "/volume" | .root.readonly = false
		| .process.env = ["PATH=/usr/bin:/usr/sbin:/bin:/sbin", "HOME=/volume", "TMPDIR=/volume"]
		| .process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 4096, hard: 4096 }]
		| .mounts += [{ destination: "/volume", type: "bind", source: $ARGS.positional[0], options: ["rbind", "rw"] }]
		| .mounts += [["/usr", "/usr"], ["/usr/lib", "/lib"], ["/usr/lib64", "/lib64"]
			| { destination: .[1], type: "bind", source: .[0], options: ["rbind", "ro"] }]' "$SCRATCH/volume" "$2"
	local vm=()
	[ "$1" != microvm ] || vm=(--vm-memory=512M --vm-vcpus=2)
	duet run --isolation="$1" "${vm[@]}" -b "$BUNDLE" "$(new_id)" </dev/null
}

@test "fio's verify jobs: what was written is read, through every way of writing" {
	export DUET_TEST_TIMEOUT=900
	cat >"$SCRATCH/verify.fio" <<-'EOF'
		[global]
		directory=/volume
		size=1m
		verify=crc32c
		verify_fatal=1
		do_verify=1
		verify_state_save=0
		thread
		fallocate=none
		unlink=1
		[random-pieces]
		rw=randwrite
		bsrange=512-64k
		bs_unaligned
		ioengine=psync
		[direct]
		stonewall
		rw=randwrite
		bs=4k
		direct=1
		ioengine=libaio
		iodepth=8
		[vectors]
		stonewall
		rw=write
		bs=16k
		ioengine=pvsync2
		fsync=16
		[mapped]
		stonewall
		rw=randwrite
		bs=4k
		ioengine=mmap
		[ring]
		stonewall
		rw=randrw
		bs=8k
		ioengine=io_uring
		iodepth=8
		[several]
		stonewall
		rw=randwrite
		bs=4k
		numjobs=4
		ioengine=psync
		size=1m
		fallocate=posix
	EOF
	cp "$SCRATCH/verify.fio" "$BUNDLE/rootfs/verify.fio"
	for isolation in container microvm; do
		run on_volume "$isolation" 'fio --minimal --output=/dev/null /verify.fio'
		echo "$isolation: $output"
		[ "$status" -eq 0 ]
		[ -z "$(ls -A "$SCRATCH/volume")" ]
	done
}

@test "stress-ng's file stressors find in a guest nothing that they do not find in a container" {
	local name in_container in_guest found='' script stressors
	export DUET_TEST_TIMEOUT=1500
	# There is no exception: where one fails (io-uring by STATX, with the stress-ng of Debian 12) it fails behind both walls.
	# Not among them: what changes the machine as a whole, or needs a device or a file system of its own.
	stressors="access chattr chdir chmod chown dentry dir dirdeep dirmany dup fallocate fcntl fiemap file-ioctl filename flock fpunch fstat getdent hdd"
	stressors+=" inode-flags io iomix lease link locka lockf lockofd mknod mmap mmapfork msync open pipe readahead rename revio seek sendfile splice symlink"
	stressors+=" sync-file touch utime xattr io-uring aio"
	# shellcheck disable=SC2016
	script='for name in '"${STRESSORS:-$stressors}"'; do
		status=0
		stress-ng --"$name" 1 --verify --timeout '"${STRESS_SECONDS:-1}"' --temp-path /volume --hdd-bytes 8m --iomix-bytes 8m --mmap-bytes 8m --seek-size 4m \
			--fallocate-bytes 8m --readahead-bytes 8m --revio-bytes 8m --sync-file-bytes 8m --dirdeep-inodes 500 --quiet >/volume/.said 2>&1 || status=$?
		echo "= $name $status"
		[ $status -eq 0 ] || sed "s/^/$name: /" /volume/.said
	done'
	for isolation in container microvm; do
		on_volume "$isolation" "$script" | tee "$SCRATCH/$isolation.said" | sed -u "s/^/# $isolation: /" >&3
	done
	[ "$(grep -c '^= ' "$SCRATCH/container.said")" -eq "$(grep -c '^= ' "$SCRATCH/microvm.said")" ]
	while read -r _ name in_container; do
		in_guest=$(awk -v name="$name" '$1 == "=" && $2 == name { print $3 }' "$SCRATCH/microvm.said")
		[ "$in_guest" = "$in_container" ] || found+="$name: $in_container in a container, $in_guest in a guest; "
	done < <(grep '^= ' "$SCRATCH/container.said")
	[ -z "$found" ] || fail "$found"
}
