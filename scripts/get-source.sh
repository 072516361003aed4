#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks the source of a Debian package, as Debian builds it, at DIRECTORY.
#   get-source.sh PACKAGE DIRECTORY
# It is fetched once, by an apt configuration of its own (the machine's may have no deb-src), from the machine's own mirror, with signatures checked,
# and kept in the cache directory.
set -euo pipefail

package=${1:?usage: get-source.sh PACKAGE DIRECTORY}
directory=${2:?usage: get-source.sh PACKAGE DIRECTORY}
cache=${DUET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/duet}/sources

die() {
	echo "get-source.sh: $*" >&2
	exit 1
}

fetch() {
	local work mirror
	work=$(mktemp -d "$cache/.new.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | grep -vE 'security|updates|backports' | head -n 1)
	mkdir -p "$work"/{lists/partial,archives/partial,source}
	echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian bookworm} main" >"$work/sources.list"
	local apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
		-o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User=root)
	if ! { "${apt[@]}" update && cd "$work/source" && "${apt[@]}" source --download-only "$package"; } >"$work/log" 2>&1; then
		tail -n 10 "$work/log" >&2
		die "the source of $package cannot be fetched"
	fi
	rm -rf "${cache:?}/$package"
	mv "$work/source" "$cache/$package"
}

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
compgen -G "$cache/$package/*.dsc" >/dev/null || fetch
rm -rf "$directory"
mkdir -p "$(dirname "$directory")"
dpkg-source -x "$cache/$package"/*.dsc "$directory" >"$cache/$package/.log" 2>&1 || {
	cat "$cache/$package/.log" >&2
	die "the source of $package cannot be unpacked"
}
