#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The linters: a clang build with every warning an error, clang-tidy's bug finders, cppcheck, shellcheck.
set -euo pipefail

build=${1:-build}
mapfile -t c_files < <(git ls-files '*.c')
mapfile -t shell_files < <(git ls-files '*.sh' '*.bash' .ci/run tests/testbed/run tests/testbed/shell)
includes=(-I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 '-DDUET_VERSION="lint"' '-DDUET_LIBDIR="/usr/lib/duet"')

echo "== clang build"
make --no-print-directory CC=clang BUILD="$build/clang" WERROR=-Werror all >"$build/clang.log" 2>&1 || {
	cat "$build/clang.log"
	exit 1
}
echo "== clang-tidy"
checks='-*,clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
checks+=',-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-assignment-in-if-condition'
# A macro that makes an initialiser cannot have parentheses.
checks+=',-bugprone-macro-parentheses'
checks+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-clang-analyzer-valist.Uninitialized'
export checks
# Not the tests: their assertions do not return when they fail, which the analyzer does not know.
mapfile -t program_files < <(git ls-files '*.c' ':!tests')
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "${program_files[@]}" | xargs -0 -n 8 -P "$(nproc)" sh -c '
	flags=$1
	shift
	# shellcheck disable=SC2086
	clang-tidy --quiet --warnings-as-errors="*" --checks="$checks" "$@" -- -std=gnu17 $flags 2>/dev/null' sh \
	"${includes[*]}"
echo "== cppcheck"
# The oci/ tables take a member's type from a null pointer that is never followed; internalAstError is cppcheck 2.10 giving up.
cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --std=c11 \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=unknownMacro \
	--suppress='nullPointer:oci/*' --suppress=internalAstError "${includes[@]}" "${c_files[@]}"
echo "== shellcheck"
shellcheck --severity=warning "${shell_files[@]}"
echo "lint: no finding"
