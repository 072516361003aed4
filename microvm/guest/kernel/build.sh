#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest kernel of duet's micro-VM and puts it at OUTPUT.
#
#   build.sh OUTPUT [FRAGMENT]
#
# FRAGMENT has options beside those of duet.config, for a kernel with more in it.
# OUTPUT becomes the uncompressed ELF kernel (vmlinux) without its symbols; beside it OUTPUT.map (its System.map) and
# OUTPUT.config (its complete configuration) appear.
#
# The kernel is Debian's linux-source-6.1 with the patches of patches/ and the options of duet.config, built once and
# kept outside of this tree, under a name that is a hash of everything that it is made from. Environment:
#   GUEST_KERNEL_SRC  another kernel source: a tree or a tarball (default: that of the package linux-source-6.1)
#   DUET_CACHE_DIR    where built kernels are kept (default: $XDG_CACHE_HOME/duet or ~/.cache/duet)
#   TMPDIR            where to compile (default: /tmp); needs about 800 MB for a while
#   JOBS              compile so many files at once (default: one for each CPU)
#
# Debian packages: linux-source-6.1 build-essential flex bison bc libelf-dev xz-utils
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly default_source=/usr/src/linux-source-6.1.tar.xz
# Part of the hash: raise it when a change in this script changes the kernel that it makes.
readonly recipe=1
# How many lines a complete build prints; only the progress line uses it.
readonly expected_steps=1526

say() { printf 'guest kernel: %s\n' "$*" >&2; }
fail() {
	say "$*"
	exit 1
}

# One line that changes whenever the source does, cheap enough to be computed on every call.
source_identity() {
	local source=$1 version
	if [[ -d $source ]]; then
		(cd "$source" && find . -name .git -prune -o -type f -printf '%p %s %T@\n' | sort | sha256sum)
	elif [[ $source == "$default_source" ]] && version=$(dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null); then
		printf 'linux-source-6.1 %s %s\n' "$version" "$(stat -L -c %s "$source")"
	else
		sha256sum <"$source"
	fi
}

# Comments and reasons may change without making another kernel.
config_options() { grep -v -e '^#' -e '^[[:space:]]*$' "$config"; }
patch_hunks() {
	local patch
	for patch in "$here"/patches/*.patch; do
		sed -n '/^diff --git /,$p' "$patch"
	done
}

kernel_hash() {
	{
		echo "recipe $recipe"
		config_options
		patch_hunks
		source_identity "$1"
		# shellcheck disable=SC2086 # "ccache gcc" is two words
		${CC:-gcc} --version | head -n 1
		ld --version | head -n 1
	} | sha256sum | cut -c 1-32
}

unpack() {
	local source=$1 tree=$2
	mkdir "$tree"
	if [[ -d $source ]]; then
		tar -C "$source" --exclude=.git -cf - . | tar -C "$tree" -xf -
		make -s -C "$tree" mrproper
		return
	fi
	# Two thirds of the source are drivers that x86 without PCI cannot have; their Kconfig files are still read.
	tar -C "$tree" --strip-components=1 \
		--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/net/ethernet/*.[ch]' \
		--exclude='*/drivers/net/wireless/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
		--exclude='*/drivers/infiniband/*.[ch]' --exclude='*/drivers/scsi/*.[ch]' \
		--exclude='*/drivers/staging/*.[ch]' --exclude='*/sound/*.[ch]' --exclude='*/Documentation/*.rst' \
		--exclude='*/tools/testing/*' --exclude='*/arch/[!x]*/*.[chS]' --exclude='*.dts*' -xf "$source"
}

apply_patches() {
	local tree=$1 patch
	for patch in "$here"/patches/*.patch; do
		patch -d "$tree" -p1 -s --force --reject-file=- --no-backup-if-mismatch <"$patch" >/dev/null ||
			fail "patches/$(basename "$patch") does not fit this kernel source"
	done
}

# allnoconfig drops without a word what it does not know or whose dependencies are not met: compare afterwards.
check_config() {
	local result=$1 line name value missing=()
	while read -r line; do
		name=${line%%=*} value=${line#*=}
		if [[ $value == n ]]; then
			! grep -q "^$name=" "$result" || missing+=("$line")
		else
			grep -q -x -F "$line" "$result" || missing+=("$line")
		fi
	done < <(config_options)
	((${#missing[@]} == 0)) || fail "this kernel source does not give what duet.config asks for: ${missing[*]}"
}

# Reads make's output, keeps it in the log, and shows how far it is.
show_progress() {
	local log=$1 line='' part steps=0 shown=-1 status percent text
	local -r start=$SECONDS
	while true; do
		status=0
		IFS= read -r -t 1 part || status=$?
		line+=$part
		# Above 128: a second has passed, and part of a line may have come.
		if ((status == 0)); then
			printf '%s\n' "$line" >>"$log"
			[[ $line != '  '* ]] || steps=$((steps + 1))
			line=
		elif ((status <= 128)); then
			break
		fi
		((SECONDS - start >= shown + (interactive ? 1 : 15))) || continue
		shown=$((SECONDS - start))
		percent=$((steps * 100 / expected_steps))
		text=$(printf '%d of about %d steps (%d%%), %d:%02d' "$steps" "$expected_steps" \
			"$((percent > 99 ? 99 : percent))" $((shown / 60)) $((shown % 60)))
		if ((interactive)); then
			printf '\rguest kernel: %s ' "$text" >&2
		else
			say "$text"
		fi
	done
	((!interactive)) || printf '\r\033[K' >&2
}

compile() {
	local tree=$1 log=$2
	# The same input gives the same kernel, byte for byte.
	export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=duet KBUILD_BUILD_HOST=duet
	export KBUILD_BUILD_VERSION=1
	make -C "$tree" -s KCONFIG_ALLCONFIG="$config" allnoconfig >"$log" 2>&1 || {
		cat "$log" >&2
		fail "cannot configure the kernel"
	}
	check_config "$tree/.config"
	# gcc clears and copies memory in start-up code byte by byte (rep stosb), which a software KVM executes byte by byte:
	# call the kernel's memset and memcpy instead.
	make -C "$tree" -j "${JOBS:-$(nproc)}" KCFLAGS=-mstringop-strategy=libcall vmlinux 2>&1 | show_progress "$log" || {
		grep -v '^  ' "$log" | tail -n 40 >&2
		fail "cannot compile the kernel"
	}
}

build_into() {
	local source=$1 entry=$2
	local -r start=$SECONDS
	work=$(mktemp -d "${TMPDIR:-/tmp}/duet-guest-kernel.XXXXXX")
	say "building, once for this configuration"
	unpack "$source" "$work/linux"
	apply_patches "$work/linux"
	compile "$work/linux" "$work/log"
	mkdir "$work/entry"
	objcopy --strip-all "$work/linux/vmlinux" "$work/entry/vmlinux"
	cp "$work/linux/System.map" "$work/entry/System.map"
	cp "$work/linux/.config" "$work/entry/config"
	# TMPDIR may be another file system; only the rename must be atomic.
	rm -rf "$entry.new"
	cp -r "$work/entry" "$entry.new"
	mv -T "$entry.new" "$entry"
	say "built in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"
}

# A copy, not a link: the cache belongs to one user, often root, and the kernel is for all who may read the checkout.
install_file() {
	local from=$1 to=$2
	cp --reflink=auto "$from" "$to.$$"
	mv -T "$to.$$" "$to"
}

main() {
	(($# == 1 || $# == 2)) || fail "usage: build.sh OUTPUT [FRAGMENT]"
	config=$here/duet.config
	if (($# == 2)); then
		more=$(mktemp "${TMPDIR:-/tmp}/duet-guest-kernel-config.XXXXXX")
		cat "$config" "$2" >"$more"
		config=$more
	fi
	local output=$1 source=${GUEST_KERNEL_SRC:-$default_source} cache entry hash
	[[ -e $source ]] || fail "no kernel source at $source: install the package linux-source-6.1 or set GUEST_KERNEL_SRC"
	cache=${DUET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/duet}/guest-kernel
	hash=$(kernel_hash "$source")
	entry=$cache/$hash
	mkdir -p "$cache" "$(dirname "$output")"
	# Two builds of the same kernel at once: the second one waits and takes what the first one made.
	exec 9>"$entry.lock"
	flock 9
	[[ -f $entry/vmlinux ]] || build_into "$source" "$entry"
	exec 9>&-
	install_file "$entry/System.map" "$output.map"
	install_file "$entry/config" "$output.config"
	install_file "$entry/vmlinux" "$output"
	say "$output ($(($(stat -L -c %s "$output") / 1024)) KiB, from $entry)"
}

work=
more=
config=
interactive=0
[[ ! -t 2 ]] || interactive=1
trap '[[ -z $work$more ]] || rm -rf "$work" "$more"' EXIT
trap 'exit 130' INT TERM HUP
main "$@"
