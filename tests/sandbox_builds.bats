#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real work in a sandbox, offline, with the result that it has outside: a C project from Debian's sources is configured, built and tested; programs in
# Python, Node and Java. DUET_ISOLATION=microvm does it behind the other wall.

load helpers

setup_file() {
	export SCRATCH ROOT PROJECT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	chmod 755 "$SCRATCH"
	ROOT=$SCRATCH/state
	# Fetched where there is a network; brought into the testbed as it is.
	PROJECT=$BUILD/sources/zlib
	[ -d "$PROJECT" ] || [ "${DUET_TESTBED:-}" = 1 ] || "$TOP/scripts/get-source.sh" zlib "$PROJECT" || true
}

teardown_file() {
	rm -rf "$SCRATCH"
}

teardown() {
	assert_nothing_left
}

sandbox() {
	local vm=()
	! is_microvm || vm=(--vm)
	timeout -k 5 300 "$DUET" --root "$ROOT" sandbox "${vm[@]}" --quiet --timeout 280s "$@"
}

compiler() {
	command -v gcc || command -v tcc
}

@test "a C project is configured, built and tested as outside" {
	[ -d "$PROJECT" ] || skip "the source package zlib is missing (scripts/get-source.sh)"
	compiler >/dev/null || skip "gcc is missing, and tcc too"
	command -v make >/dev/null || skip "make is missing"
	local recipe='set -e; CC=$1 CFLAGS=-O0 ./configure --static; make check'
	cp -r "$PROJECT" "$SCRATCH/outside"
	cp -r "$PROJECT" "$SCRATCH/inside"
	(cd "$SCRATCH/outside" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL sh -c "$recipe" sh "$(basename "$(compiler)")") >"$SCRATCH/outside.out" 2>&1
	grep -q 'zlib test OK' "$SCRATCH/outside.out"
	sandbox --profile build --workdir "$SCRATCH/inside" --copy-out "$SCRATCH/inside/libz.a=$SCRATCH/libz.a" --report "$SCRATCH/report.json" -- \
		sh -c "$recipe" sh "$(basename "$(compiler)")" >"$SCRATCH/inside.out" 2>&1 || fail "$(tail -n 20 "$SCRATCH/inside.out")"
	diff <(sed 's/[0-9.]* seconds//' "$SCRATCH/outside.out") <(sed 's/[0-9.]* seconds//' "$SCRATCH/inside.out")
	cmp "$SCRATCH/outside/libz.a" "$SCRATCH/libz.a"
	[ ! -e "$SCRATCH/inside/libz.a" ]
	[ "$(jq .filesChanged.added "$SCRATCH/report.json")" -gt 20 ]
}

# same_as_outside PROGRAM ARGUMENTS…
same_as_outside() {
	[ -x "$1" ] || skip "$1 is missing"
	"$@" >"$SCRATCH/outside.out" || skip "$(basename "$1") does not run the program outside either"
	sandbox --workdir "$BATS_TEST_DIRNAME/sandbox/programs" -- "$@" >"$SCRATCH/inside.out"
	diff "$SCRATCH/outside.out" "$SCRATCH/inside.out"
	[ "$(wc -l <"$SCRATCH/inside.out")" -ge 5 ]
}

@test "a Python program runs as outside" {
	same_as_outside /usr/bin/python3 "$BATS_TEST_DIRNAME/sandbox/programs/program.py"
}

@test "a Node program runs as outside" {
	same_as_outside /usr/bin/node "$BATS_TEST_DIRNAME/sandbox/programs/program.js"
}

@test "a Java program runs as outside" {
	same_as_outside /usr/bin/java "$BATS_TEST_DIRNAME/sandbox/programs/Program.java"
}
