# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Counts what TAP files say, for the programs that run many tests: one line for each file, totals in three variables.

passed=0 failed=0 skipped=0

# count NAME FILE STATUS SECONDS: reads a TAP file.
count() {
	local ok not_ok skip
	# bats says "ok N name # skip why", cmocka "why", then "not ok N # SKIP name".
	skip=$(grep -cE '^(not )?ok .*# (skip|SKIP)' "$2")
	ok=$(grep -E '^ok ' "$2" | grep -cvE '# skip')
	not_ok=$(grep -E '^not ok ' "$2" | grep -cvE '# SKIP')
	[ "$3" -ne 0 ] && [ "$not_ok" -eq 0 ] && not_ok=1
	passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + skip))
	printf '== %-44s %4d passed, %d failed, %d skipped (%d s)\n' "$1" "$ok" "$not_ok" "$skip" "$4"
	grep -E '^ok .* # skip' "$2" | sed 's/^ok [0-9]* /   skipped: /'
	grep -B 1 -E '^not ok .*# SKIP' "$2" | sed -nE '/^not ok/!{h;d}; s/^not ok [0-9]* # SKIP (.*)/   skipped: \1/; G; s/\n/: /; p'
}

# count_leftovers BEFORE AFTER: what the tests may not have changed, as one test.
count_leftovers() {
	if [ "$1" = "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "== left behind on this machine:"
		diff <(echo "$1") <(echo "$2")
	fi
}

# The last line of all; fails when something did.
report() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
