#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet sandbox: root file systems of other people's making. DUET_ISOLATION=microvm puts it behind the other wall.

load helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	mkdir -p "$SCRATCH/work" "$SCRATCH/tree/bin" "$SCRATCH/tree/dir"
	chmod 755 "$SCRATCH"
	cp "$(command -v busybox)" "$SCRATCH/tree/bin/busybox"
	ln -s busybox "$SCRATCH/tree/bin/sh"
	echo base >"$SCRATCH/tree/dir/file"
	tar -C "$SCRATCH/tree" --numeric-owner --owner=0 --group=0 -cf "$SCRATCH/base.tar" .
}

teardown_file() {
	rm -rf "$SCRATCH"
}

teardown() {
	assert_no_sandbox_left
}

# blob FILE: puts it into the layout and prints its descriptor's members.
blob() {
	local digest
	digest=$(sha256sum "$1" | cut -d ' ' -f 1)
	cp "$1" "$SCRATCH/layout/blobs/sha256/$digest"
	echo "\"digest\": \"sha256:$digest\", \"size\": $(stat -c %s "$1")"
}

# layout TYPE LAYER…: an OCI layout of these layers, which are tar archives, compressed as TYPE says (gzip or zstd).
layout() {
	local type=$1 layer layers=() descriptor
	shift
	rm -rf "$SCRATCH/layout"
	mkdir -p "$SCRATCH/layout/blobs/sha256"
	echo '{ "imageLayoutVersion": "1.0.0" }' >"$SCRATCH/layout/oci-layout"
	for layer; do
		"$type" -qc "$layer" >"$SCRATCH/blob"
		layers+=("{ \"mediaType\": \"application/vnd.oci.image.layer.v1.tar+$type\", $(blob "$SCRATCH/blob") }")
	done
	echo '{ "architecture": "amd64", "os": "linux", "config": { "Env": ["PATH=/bin", "FROM_IMAGE=yes"] } }' >"$SCRATCH/blob"
	descriptor="{ \"mediaType\": \"application/vnd.oci.image.config.v1+json\", $(blob "$SCRATCH/blob") }"
	(
		IFS=,
		echo "{ \"schemaVersion\": 2, \"config\": $descriptor, \"layers\": [${layers[*]}] }" >"$SCRATCH/blob"
	)
	echo "{ \"schemaVersion\": 2, \"manifests\": [{ \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", $(blob "$SCRATCH/blob"),
		\"annotations\": { \"org.opencontainers.image.ref.name\": \"v1\" } }] }" >"$SCRATCH/layout/index.json"
}

@test "a tar archive is the root, plain or compressed" {
	gzip -kc "$SCRATCH/base.tar" >"$SCRATCH/base.tgz"
	for archive in base.tar base.tgz; do
		run sandbox --rootfs "$SCRATCH/$archive" -- /bin/sh -c 'read x </dir/file; echo $x; echo new >/dir/new && echo written; [ -e /etc/passwd ] || echo gone'
		[ "$status" -eq 0 ]
		[ "$output" = $'base\nwritten\ngone' ]
	done
}

@test "layers of an OCI layout lie over each other, with what they delete" {
	mkdir -p "$SCRATCH/upper/dir" "$SCRATCH/upper/opaque" "$SCRATCH/lower/opaque" "$SCRATCH/lower/dir"
	touch "$SCRATCH/lower/opaque/old" "$SCRATCH/lower/dir/kept" "$SCRATCH/upper/opaque/.wh..wh..opq" "$SCRATCH/upper/opaque/new" \
		"$SCRATCH/upper/dir/.wh.file"
	tar -C "$SCRATCH/lower" -cf "$SCRATCH/lower.tar" .
	# The whiteouts come last: they are of the layers below only.
	tar -C "$SCRATCH/upper" -cf "$SCRATCH/upper.tar" ./opaque/new ./opaque/.wh..wh..opq ./dir
	for type in gzip zstd; do
		layout $type "$SCRATCH/base.tar" "$SCRATCH/lower.tar" "$SCRATCH/upper.tar"
		run sandbox --rootfs "$SCRATCH/layout" -- sh -c 'echo $FROM_IMAGE; cd /; echo dir/* opaque/*'
		[ "$status" -eq 0 ]
		[ "$output" = $'yes\ndir/kept opaque/new' ]
	done
	sandbox --rootfs "$SCRATCH/layout:v1" -- sh -c :
	run sandbox --rootfs "$SCRATCH/layout:v2" -- sh -c :
	[ "$status" -eq 125 ]
	[[ "$output" == *"no image for linux/amd64 with the tag v2"* ]]
}

@test "a blob that is not what its digest says is refused" {
	layout gzip "$SCRATCH/base.tar"
	blob=$(ls -S "$SCRATCH/layout/blobs/sha256"/* | head -n 1)
	printf x | dd of="$blob" bs=1 seek=1000 conv=notrunc status=none
	run sandbox --rootfs "$SCRATCH/layout" -- sh -c :
	[ "$status" -eq 125 ]
	[[ "$output" == *"has another digest"* ]]
	truncate -s +1 "$blob"
	run sandbox --rootfs "$SCRATCH/layout" -- sh -c :
	[[ "$output" == *"does not have the size"* ]]
}

@test "archives that would lead out of the root, or fill the disk, are refused" {
	touch "$SCRATCH/x"
	tar -P -C "$SCRATCH" --transform 's,^x$,../../../escaped,' -cf "$SCRATCH/hostile.tar" x
	run sandbox --rootfs "$SCRATCH/hostile.tar" -- sh -c :
	[ "$status" -eq 125 ]
	[[ "$output" == *'names "../../../escaped", which would lead out of it'* ]]
	mkdir "$SCRATCH/links"
	ln -s / "$SCRATCH/links/root"
	ln -s ../../../.. "$SCRATCH/links/up"
	cp "$SCRATCH/base.tar" "$SCRATCH/hostile.tar"
	tar -C "$SCRATCH/links" -rf "$SCRATCH/hostile.tar" root up
	tar -P -C "$SCRATCH" --transform 's,^x$,root/one,' -rf "$SCRATCH/hostile.tar" x
	tar -P -C "$SCRATCH" --transform "s,^x$,up$SCRATCH/two," -rf "$SCRATCH/hostile.tar" x
	tar -P -C "$SCRATCH" --transform "s,^x$,$SCRATCH/three," -rf "$SCRATCH/hostile.tar" x
	tar -C /dev -rf "$SCRATCH/hostile.tar" null
	run sandbox --rootfs "$SCRATCH/hostile.tar" -- /bin/sh -c "/bin/busybox ls -d /one $SCRATCH/two $SCRATCH/three; [ -c /null ] || echo no device"
	[ "$status" -eq 0 ]
	[ "$output" = "/one
$SCRATCH/three
$SCRATCH/two
no device" ]
	[ ! -e /one ] && [ ! -e "$SCRATCH/two" ] && [ ! -e "$SCRATCH/three" ]
	truncate -s 200M "$SCRATCH/zeros"
	tar -C "$SCRATCH" -czf "$SCRATCH/bomb.tgz" zeros
	rm "$SCRATCH/zeros"
	run sandbox --disk 20M --rootfs "$SCRATCH/bomb.tgz" -- sh -c :
	[ "$status" -eq 125 ]
	[[ "$output" == *"larger than --disk"* ]]
	run sandbox --rootfs "$DUET" -- sh -c :
	[ "$status" -eq 125 ]
	[[ "$output" == *"neither a tar archive"* ]]
}

@test "a bundle's root and environment" {
	mkdir "$SCRATCH/bundle"
	cp -r "$SCRATCH/tree" "$SCRATCH/bundle/rootfs"
	"$DUET" spec -b "$SCRATCH/bundle"
	jq '.process.env = ["PATH=/bin", "X=of the bundle"]' "$SCRATCH/bundle/config.json" >"$SCRATCH/config.json"
	mv "$SCRATCH/config.json" "$SCRATCH/bundle/config.json"
	run sandbox --bundle "$SCRATCH/bundle" -- sh -c 'echo $X; echo changed >/dir/file'
	[ "$output" = "of the bundle" ]
	[ "$(cat "$SCRATCH/bundle/rootfs/dir/file")" = base ]
	run -127 sandbox --bundle "$SCRATCH/bundle" --env PATH=/nowhere -- sh -c :
}

@test "a disk image is mounted read-only under the root" {
	[ -e /dev/loop-control ] || skip "needs /dev/loop-control"
	truncate -s 16M "$SCRATCH/disk"
	mkfs.ext4 -q -d "$SCRATCH/tree" "$SCRATCH/disk"
	before=$(sha256sum "$SCRATCH/disk")
	run sandbox --rootfs "$SCRATCH/disk" -- /bin/sh -c 'read x </dir/file; echo $x; echo new >/dir/file && echo written'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'base\nwritten' ]
	[ "$(sha256sum "$SCRATCH/disk")" = "$before" ]
}
