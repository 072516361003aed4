#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernel that boots are measured against: the same features as the guest's, as Linux has them when nobody looks at what they cost at boot
# (SLUB, sorted ORC tables, self-tests of cryptography, memory without a virtual map). It was the first configuration that worked.
#   bench-baseline.sh OUTPUT
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-baseline.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -r "$scripts/../microvm/guest/kernel" "$work/kernel"
sed -i -e 's/^CONFIG_SLAB=y$/CONFIG_SLUB=y\nCONFIG_SLUB_DEBUG=y/' -e 's/^CONFIG_SPARSEMEM_VMEMMAP=y$/CONFIG_SPARSEMEM_VMEMMAP=n/' \
	-e 's/^CONFIG_UNWINDER_GUESS=y$/CONFIG_UNWINDER_ORC=y/' -e 's/^CONFIG_CRYPTO_MANAGER_DISABLE_TESTS=y$/CONFIG_CRYPTO_MANAGER_DISABLE_TESTS=n/' \
	"$work/kernel/duet.config"
"$work/kernel/build.sh" "$output"
