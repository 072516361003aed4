#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image.sh FILE.tar NAME:TAG COMMAND…: a container image of one layer, as a `docker save` archive, which podman, ctr and docker
# all load. What it holds is what the tests ask for: the static busybox, two users, a file that cannot be executed,
# a script whose interpreter is missing.
set -euo pipefail

archive=$1 name=$2
shift 2
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root

mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp,run,var/log,www}
chmod 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:alice:/home:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n' >"$root/etc/group"
printf 'data\n' >"$root/not-executable"
printf '#!/no/such/interpreter\n' >"$root/no-interpreter"
chmod 0755 "$root/no-interpreter"
printf 'hello from %s\n' "$name" >"$root/www/index.html"

tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$work/layer.tar" .
jq -n --arg layer "sha256:$(sha256sum "$work/layer.tar" | cut -d' ' -f1)" '{
	architecture: "amd64", os: "linux", created: "1970-01-01T00:00:00Z",
	config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: $ARGS.positional },
	rootfs: { type: "layers", diff_ids: [$layer] },
	history: [{ created: "1970-01-01T00:00:00Z", created_by: "image.sh" }]
}' --args -- "$@" >"$work/config.json"
jq -n --arg name "$name" '[{ Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"] }]' >"$work/manifest.json"
tar -C "$work" -cf "$archive" manifest.json config.json layer.tar
