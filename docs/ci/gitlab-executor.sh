#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A GitLab Runner custom executor: each script of a job runs in a sandbox of its own, all of them on one builds directory, which is gone with the job.
#
#   gitlab-executor.sh config|prepare|run|cleanup [SCRIPT STAGE]
#
# as gitlab-config.toml has it. From https://docs.gitlab.com/runner/executors/custom.html: job variables come as CUSTOM_ENV_NAME; the job's own failure and the
# machine's are told apart by the statuses BUILD_FAILURE_EXIT_CODE and SYSTEM_FAILURE_EXIT_CODE.
#
# Settings, from the runner's `environment` in config.toml, which jobs cannot change:
#   DUET                    the program (duet)
#   DUET_CI_ROOT            where builds directories are made (/var/lib/duet-ci)
#   DUET_CI_OPTIONS         options of duet sandbox for the job's own scripts (--profile build --memory 4G --timeout 1h)
#   DUET_CI_NETWORK         --net of the job's own scripts (none)
#   DUET_CI_HELPER_NETWORK  --net of the runner's scripts, which speak to GitLab (host)
#   DUET_CI_IMAGES          directory of OCI layouts that jobs may name with `image:`; without it every job has the host's root
set -euo pipefail

DUET=${DUET:-duet}
root=${DUET_CI_ROOT:-/var/lib/duet-ci}
job=${CUSTOM_ENV_CI_JOB_ID:?not called by a runner: CUSTOM_ENV_CI_JOB_ID is not set}
system_failure=${SYSTEM_FAILURE_EXIT_CODE:-2}
build_failure=${BUILD_FAILURE_EXIT_CODE:-1}

fail() {
	echo "duet: $*" >&2
	exit "$system_failure"
}

# It becomes a part of a path.
[[ $job =~ ^[0-9]+$ ]] || fail "CI_JOB_ID is not a number"
directory=$root/job-$job

config() {
	jq -n --arg builds "$directory/builds" --arg cache "$directory/cache" --arg version "$("$DUET" --version | head -n 1)" \
		'{ builds_dir: $builds, cache_dir: $cache, builds_dir_is_shared: false, driver: { name: "duet", version: $version } }'
}

prepare() {
	mkdir -p "$root"
	chmod 0711 "$root"
	mkdir "$directory" || fail "$directory is there already"
	mkdir "$directory/builds" "$directory/cache"
	"$DUET" sandbox --quiet --workdir "$directory" -- true || fail "a sandbox cannot be made on this machine"
}

# The image that the job names, as the --rootfs of its own scripts.
image() {
	local name=${CUSTOM_ENV_CI_JOB_IMAGE:-}
	[ -n "$name" ] && [ -n "${DUET_CI_IMAGES:-}" ] || return 0
	[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._:-]*$ ]] || fail "image $name is not one of this runner's"
	[ -d "$DUET_CI_IMAGES/$name" ] || fail "image $name is not one of this runner's"
	printf '%s\n' --rootfs "$DUET_CI_IMAGES/$name"
}

# The runner's own scripts (git, cache, artifacts) run in sandboxes too: what they work on is the job's.
run() {
	local script=$1 stage=$2 status=0 options=() image
	case $stage in
	step_* | build_script | after_script)
		image=$(image) || exit "$system_failure"
		[ -z "$image" ] || mapfile -t options <<<"$image"
		# shellcheck disable=SC2206
		options+=(${DUET_CI_OPTIONS:---profile build --memory 4G --timeout 1h} --net "${DUET_CI_NETWORK:-none}")
		;;
	*)
		options+=(--profile build --memory 1G --timeout 30m --net "${DUET_CI_HELPER_NETWORK:-host}")
		;;
	esac
	"$DUET" sandbox --quiet --workdir "$directory" --workdir-mode rw --report "$directory.report" "${options[@]}" -- bash <"$script" || status=$?
	[ $status -eq 0 ] && return
	echo "duet: $stage: $(jq -r .reason "$directory.report" 2>/dev/null || echo "status $status")" >&2
	[ $status -ne 125 ] || exit "$system_failure"
	exit "$build_failure"
}

cleanup() {
	rm -rf "$directory" "$directory.report"
}

case ${1:-} in
config | prepare | cleanup) "$1" ;;
run) run "${2:?script}" "${3:?stage}" ;;
*) fail "usage: gitlab-executor.sh config|prepare|run|cleanup [SCRIPT STAGE]" ;;
esac
