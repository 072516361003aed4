#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The ways in which container runtimes have been broken, tried on this one.

load helpers

setup_file() {
	setup_file_bundle
	cp "$BUILD"/tests/attack/overwrite "$BUNDLE/rootfs/bin/"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	[ -x "$BUILD/tests/attack/overwrite" ] || skip "the attacking programs are not built: make test-programs"
	configure .
	rm -f "$BUNDLE/rootfs/result"
}

teardown() {
	assert_nothing_left
}

# Every capability that the caller has: an attacker who may do whatever a container without a user namespace can be allowed to do.
PRIVILEGED='.process.capabilities[] = $caps | .process.noNewPrivileges = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []'

# privileged_configure FILTER: like configure, with all capabilities.
privileged_configure() {
	local held names
	held=$((16#$(sed -n 's/^CapPrm:\t//p' /proc/self/status)))
	names=$("$DUET" features | jq -r '.linux.capabilities | to_entries[] | "\(.key) \(.value)"' |
		while read -r number name; do ((held >> number & 1)) && echo "$name"; done | jq -R . | jq -s .)
	jq --argjson caps "$names" "$PRIVILEGED | $1" <"$SCRATCH/config.template.json" >"$BUNDLE/config.json"
}

# A runtime of its own to attack: victim ARGUMENT…; victim_is_unharmed.
victim_begin() {
	cp "$DUET" "$SCRATCH/victim"
	VICTIM_BEFORE=$(stat -c '%a %U %s' "$SCRATCH/victim" && sha256sum <"$SCRATCH/victim")
}

victim() {
	timeout 60 "$SCRATCH/victim" --root "$ROOT" "$@"
}

victim_is_unharmed() {
	[ "$(stat -c '%a %U %s' "$SCRATCH/victim" && sha256sum <"$SCRATCH/victim")" = "$VICTIM_BEFORE" ] || fail "the runtime was changed"
}

# result_is PATTERN: what the attacker wrote down.
result_is() {
	wait_until 20 test -s "$BUNDLE/rootfs/result" || fail "the attacker did not come to an end"
	# shellcheck disable=SC2053 # a pattern
	[[ $(cat "$BUNDLE/rootfs/result") == $1 ]] || fail "not \"$1\": $(cat "$BUNDLE/rootfs/result")"
}

# ---- CVE-2019-5736: the runtime's binary ----

@test "an image that makes itself executed by the runtime's binary cannot write to it" {
	local id loader
	id=$(new_id)
	loader=$(grep -aoE -m 1 '/lib[a-z0-9_/-]*/ld-[a-z0-9.-]*\.so\.[0-9]+' "$DUET" | head -n 1)
	[ -n "$loader" ] || skip "duet is linked statically: nothing of the image would be executed by it"
	mkdir -p "$BUNDLE/rootfs${loader%/*}"
	cp "$BUILD/tests/attack/evil_loader" "$BUNDLE/rootfs$loader"
	printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/script"
	chmod 755 "$BUNDLE/rootfs/script"
	victim_begin
	for program in /script /proc/self/exe; do
		privileged_configure '.process.args = ["'$program'"]'
		victim create -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
		victim start "$id"
		result_is 'refused: Read-only file system'
		victim delete --force "$id"
		victim_is_unharmed
		rm "$BUNDLE/rootfs/result"
	done
	rm -r "$BUNDLE/rootfs$loader" "$BUNDLE/rootfs/script"
}

@test "a process that shares the container's pid namespace cannot write to the runtime's binary" {
	local attacker other pid
	attacker=$(new_id)
	other=$(new_id)
	victim_begin
	privileged_configure '.process.args = ["overwrite", "watch", "10"]'
	victim run --detach -b "$BUNDLE" "$attacker" </dev/null >/dev/null 2>&1
	pid=$(victim state "$attacker" | jq .pid)
	configure '.process.args = ["true"] | .linux.namespaces |= map(if .type == "pid" then .path = $ARGS.positional[0] else . end)' \
		"/proc/$pid/ns/pid"
	for _ in {1..20}; do
		[ ! -s "$BUNDLE/rootfs/result" ] || break
		victim run -b "$BUNDLE" "$other" </dev/null || true
	done
	result_is 'refused: Read-only file system'
	victim delete --force "$attacker"
	victim_is_unharmed
}
