#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A program that cannot be executed: the cause is named, for run and for exec, and the status is that of the kind.

load helpers

setup_file() {
	setup_file_bundle
	local root=$BUNDLE/rootfs
	printf '#!/bin/sh\r\ntrue\r\n' >"$root/carriage-return"
	printf '#!/no/such/interpreter\n' >"$root/interpreter"
	printf '#!/carriage-return\n' >"$root/chain"
	printf 'words\n' >"$root/words"
	: >"$root/empty"
	# ELF files: for another machine; with a loader that is not there.
	{ head -c 18 "$root/bin/busybox" && printf '\xb7\x00' && tail -c +21 "$root/bin/busybox" | head -c 4000; } >"$root/aarch64"
	sed 's|/lib64/ld-linux-x86-64.so.2|/lib64/no-such-loader.so.12|; s|/lib/ld-linux-x86-64.so.2|/lib/no-such-loader-64.so.1|' /usr/bin/true >"$root/loader"
	cp "$root/bin/busybox" "$root/denied"
	mkdir -p "$root/noexec" "$root/locked"
	cp "$root/bin/busybox" "$root/locked/true"
	chmod 755 "$root"/{carriage-return,interpreter,chain,words,empty,aarch64,loader}
	chmod 644 "$root/denied"
	chmod 700 "$root/locked"
	configure '.process.args = ["sh", "-c", "cp /bin/busybox /noexec/true; sleep 1000"] | .mounts += [{"destination": "/noexec", "type": "tmpfs",
		"source": "tmpfs", "options": ["noexec", "mode=755"]}]'
	export ID=container-$$
	"$DUET" --root "$ROOT" run --detach -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_until 10 test_in_container
}

test_in_container() {
	"$DUET" --root "$ROOT" exec "$ID" test -s /noexec/true </dev/null >/dev/null 2>&1
}

teardown_file() {
	"$DUET" --root "$ROOT" delete --force "$ID"
	teardown_file_bundle
}

# both STATUS TEXT PROGRAM [FILTER]: run of the program ends with the status, and says the text; so does exec, with 255.
both() {
	configure ".process.args = [\"$3\"] | ${4:-.}"
	run --separate-stderr duet_run </dev/null
	[ "$status" -eq "$1" ] || fail "run $3: status $status: $stderr"
	[[ "$stderr" == *"$2"* && $(wc -l <<<"$stderr") -eq 1 ]] || fail "run $3: $stderr"
	run --separate-stderr duet exec ${4:+--user 1000} "$ID" "$3" </dev/null
	[ "$status" -eq 255 ] || fail "exec $3: status $status: $stderr"
	[[ "$stderr" == *"$2"* && $(wc -l <<<"$stderr") -eq 1 ]] || fail "exec $3: $stderr"
}

@test "missing: the file, the interpreter, the loader, CR LF" {
	both 127 '"/no/such/file": no such file or directory' /no/such/file
	both 127 '"nosuchprogram": executable file not found in $PATH' nosuchprogram
	both 127 'interpreter "/no/such/interpreter" not found: no such file or directory' /interpreter
	both 127 'interpreter "/bin/sh\r" not found: no such file or directory (the #! line ends in CR LF' /carriage-return
	both 127 '"/chain": ' /chain
	both 127 'ELF loader "/lib' /loader
}

@test "not executable: the format, the machine, permission, a directory, a noexec mount" {
	both 126 '"/words": exec format error (neither a program nor a script' /words
	both 126 '"/empty": exec format error (the file is empty)' /empty
	both 126 '"/aarch64": exec format error (built for aarch64, this machine is x86-64)' /aarch64
	both 126 '"/denied": permission denied (it has no execute permission)' /denied
	both 126 '"/bin": permission denied (it is a directory)' /bin
	both 126 '"/locked/true": permission denied (a directory on the way to it may not be searched)' /locked/true \
		'.process.user = {"uid": 1000, "gid": 1000} | .process.capabilities[] = []'
	run --separate-stderr duet exec "$ID" /noexec/true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'"/noexec/true": permission denied (its file system is mounted noexec)'* ]] || fail "$stderr"
}
