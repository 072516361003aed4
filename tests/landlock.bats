#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The annotation run.duet.landlock: what a policy allows is possible, what it does not is denied, and what cannot be applied is refused.

load helpers

setup_file() {
	setup_file_bundle
	LANDLOCK_ABI=0
	# The newest version that this kernel takes.
	for abi in 1 2 3 4 5 6 7; do
		policy "{\"abi\": $abi, \"paths\": [{\"path\": \"/\", \"rights\": [\"read\", \"execute\"]}]}" true
		"$DUET" --root "$ROOT" run -b "$BUNDLE" "probe-$abi" </dev/null >/dev/null 2>&1 || break
		LANDLOCK_ABI=$abi
	done
	export LANDLOCK_ABI
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	assert_nothing_left
}

# policy JSON COMMAND…
policy() {
	local json=$1
	shift
	jq --arg policy "$json" '.annotations."run.duet.landlock" = $policy | .process.args = $ARGS.positional' --args -- "$@" \
		<"$SCRATCH/config.template.json" >"$BUNDLE/config.json"
}

needs_abi() {
	[ "$LANDLOCK_ABI" -ge "$1" ] || skip "this kernel has Landlock version $LANDLOCK_ABI, $1 is needed"
}

READ='{"path": "/", "rights": ["read", "execute"]}'

@test "landlock: reading and executing are allowed where a rule says so, writing is not" {
	needs_abi 1
	policy '{"abi": 1, "paths": [{"path": "/bin", "rights": ["read", "execute"]}, {"path": "/tmp", "rights": ["read", "write"]}]}' \
		sh -c 'cat /etc/passwd; ls /; echo content > /tmp/file && cat /tmp/file; mkdir /tmp/made /made; rm /tmp/file; ls /bin | head -n 1; cp /bin/busybox /tmp; /tmp/busybox true'
	run duet_run
	[[ "$output" == *"can't open '/etc/passwd': Permission denied"* ]] || fail "$output"
	[[ "$output" == *"can't open '/': Permission denied"* ]] || fail "$output"
	[[ "$output" == *content* ]] || fail "$output"
	[[ "$output" == *"can't create directory '/made': Permission denied"* ]] || fail "$output"
	[[ "$output" == *"/tmp/busybox: Permission denied"* ]] || fail "$output"
	[[ "$output" != *"/tmp/made"* ]] || fail "$output"
	rm -rf "$BUNDLE/rootfs/tmp/"*
}

@test "landlock: exec is under the policy too" {
	needs_abi 1
	ID=$(new_id)
	policy "{\"abi\": 1, \"paths\": [$READ]}" sleep 1000
	duet_create "$ID" </dev/null >/dev/null 2>&1
	duet start "$ID"
	[ "$(duet exec "$ID" cat /etc/group | head -n 1)" = root:x:0: ]
	run duet exec "$ID" touch /tmp/file
	[ "$status" -eq 1 ]
	[[ "$output" == *"Permission denied"* ]] || fail "$output"
}

@test "landlock: the program itself has to be allowed, and so the cause is named" {
	needs_abi 1
	policy '{"abi": 1, "paths": [{"path": "/etc", "rights": ["read"]}]}' true
	run duet_run
	[ "$status" -eq 126 ]
	[[ "$output" == *"under the Landlock policy: exec: \"/bin/true\": permission denied"* ]] || fail "$output"
}

@test "landlock: with and without no_new_privs, privileges and a seccomp filter; none is left of what loading needs" {
	needs_abi 1
	for filter in '.process.noNewPrivileges = false' '.process.noNewPrivileges = true' '.process.user = {"uid": 1000, "gid": 1000} | .process.noNewPrivileges = false' \
		'.process.noNewPrivileges = false | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'; do
		policy "{\"abi\": 1, \"paths\": [$READ]}" sh -c 'grep CapEff /proc/self/status; echo x >/tmp/x'
		jq "$filter | .process.capabilities[] = []" <"$BUNDLE/config.json" >"$SCRATCH/config" && mv "$SCRATCH/config" "$BUNDLE/config.json"
		run duet_run
		[[ "$output" == *$'CapEff:\t0000000000000000'*"ermission denied"* ]] || fail "$filter: $output"
	done
}

@test "landlock: a file as a path, and truncation" {
	needs_abi 3
	echo "many words" >"$BUNDLE/rootfs/file"
	policy "{\"abi\": 3, \"paths\": [$READ, {\"path\": \"/file\", \"rights\": [\"write_file\"]}]}" sh -c 'echo x >>/file; cat /file; : >/file'
	run duet_run
	[[ "$output" == $'many words\nx\n'*"Permission denied"* ]] || fail "$output"
	policy "{\"abi\": 3, \"paths\": [$READ, {\"path\": \"/file\", \"rights\": [\"write\"]}]}" sh -c ': >/file; cat /file; rm /file'
	run duet_run
	[[ "$output" == *"can't remove"*"Permission denied"* ]] || fail "$output"
	[ ! -s "$BUNDLE/rootfs/file" ]
}

@test "landlock: ports" {
	needs_abi 4
	policy "{\"abi\": 4, \"paths\": [$READ], \"connectTcp\": [81], \"bindTcp\": []}" \
		sh -c 'nc -w 1 127.0.0.1 80 </dev/null; nc -w 1 127.0.0.1 81 </dev/null; nc -l -p 90 </dev/null; true'
	run duet_run
	[[ "${lines[0]}" == *"Permission denied"* ]] || fail "$output"
	[[ "${lines[1]}" == *"Connection refused"* ]] || fail "$output"
	[[ "${lines[2]}" == *"Permission denied"* ]] || fail "$output"
}

@test "landlock: signals to processes outside of the policy" {
	needs_abi 6
	ID=$(new_id)
	policy "{\"abi\": 6, \"paths\": [$READ], \"scopes\": [\"signal\"]}" sleep 1000
	duet_create "$ID" </dev/null >/dev/null 2>&1
	duet start "$ID"
	# Each process that exec makes is in a domain of its own.
	run duet exec "$ID" kill -USR1 1
	[ "$status" -eq 1 ]
	[[ "$output" == *"Operation not permitted"* ]] || fail "$output"
	run duet exec "$ID" sh -c 'sleep 10 & kill $! && echo killed'
	[ "$output" = killed ] || fail "$output"
}

# refused TEXT POLICY
refused() {
	policy "$2" true
	run --separate-stderr duet_run
	[ "$status" -eq 1 ] || fail "$2: status $status"
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "$2: $stderr"
	[[ "$stderr" == *"$1"* ]] || fail "$2: $stderr"
}

@test "landlock: a version that the kernel does not have is refused, and so is a kernel without" {
	if [ "$LANDLOCK_ABI" -eq 0 ]; then
		refused "this kernel has no Landlock" "{\"abi\": 1}"
	elif [ "$LANDLOCK_ABI" -lt 7 ]; then
		refused "it is for version 7 of Landlock, this kernel has version $LANDLOCK_ABI" '{"abi": 7}'
	fi
	export DUET_UNDER="$BUILD/tests/tools/enosys landlock_create_ruleset"
	refused "this kernel has no Landlock" '{"abi": 1}'
}

@test "landlock: what is wrong in a policy is refused by its place in it" {
	refused 'annotation run.duet.landlock: line 1' '{"abi": 1'
	refused 'annotation run.duet.landlock: abi' '{}'
	refused 'annotation run.duet.landlock: abi' '{"abi": 99}'
	refused 'unknown Landlock right "wirte"' '{"abi": 1, "paths": [{"path": "/", "rights": ["wirte"]}]}'
	refused 'paths[0].rights: "truncate" is newer than version 2' '{"abi": 2, "paths": [{"path": "/", "rights": ["truncate"]}]}'
	refused 'paths[0].path: must be an absolute path' '{"abi": 1, "paths": [{"path": "usr", "rights": ["read"]}]}'
	refused 'connectTcp: is newer than version 3' '{"abi": 3, "connectTcp": []}'
	refused 'scopes: is newer than version 5' '{"abi": 5, "scopes": ["signal"]}'
	refused 'path: is not a part of a Landlock policy' '{"abi": 1, "path": []}'
	[ "$LANDLOCK_ABI" -ge 1 ] || return 0
	refused 'open "/no/such/path": No such file or directory' '{"abi": 1, "paths": [{"path": "/no/such/path", "rights": ["read"]}]}'
}

@test "landlock: a micro-VM refuses the policy by name" {
	policy '{"abi": 1}' true
	run duet run --isolation=microvm -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$output" == *"run.duet.landlock: the guest's kernel of a micro-VM has no Landlock"* ]] || fail "$output"
}
