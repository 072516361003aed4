#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The recipes of docs/ci: GitLab's stages called as the runner calls them, the other files read by who would read them, as far as that is there.

load helpers

setup_file() {
	export SCRATCH ROOT RECIPES
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	chmod 755 "$SCRATCH"
	ROOT=$SCRATCH/state
	RECIPES=$TOP/docs/ci
	# The recipes say `duet`: it stands for the program and this test's state.
	printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$DUET" "$ROOT" >"$SCRATCH/duet"
	chmod +x "$SCRATCH/duet"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

# stage NAME [SCRIPT STAGE]: as the runner does it.
stage() {
	env -i PATH="$PATH" DUET="$SCRATCH/duet" DUET_CI_ROOT="$SCRATCH/ci" DUET_CI_OPTIONS="--profile build --memory 512M --timeout ${JOB_TIMEOUT:-60s}" \
		DUET_CI_HELPER_NETWORK=none BUILD_FAILURE_EXIT_CODE=41 SYSTEM_FAILURE_EXIT_CODE=42 CUSTOM_ENV_CI_JOB_ID="${JOB_ID:-4711}" \
		CUSTOM_ENV_CI_JOB_IMAGE="${JOB_IMAGE:-}" ${IMAGES:+DUET_CI_IMAGES="$IMAGES"} "$RECIPES/gitlab-executor.sh" "$@"
}

script() {
	printf '#!/usr/bin/env bash\nset -eo pipefail\n%s\n' "$1" >"$SCRATCH/script"
}

@test "GitLab: the four stages of a job" {
	config=$(stage config)
	builds=$(jq -r .builds_dir <<<"$config")
	[ "$(jq -r '.driver.name' <<<"$config")" = duet ]
	stage prepare
	script "mkdir -p $builds/project && cd $builds/project && echo 'all: ; echo built >result' >Makefile && test ! -e /root/.bashrc"
	stage run "$SCRATCH/script" get_sources
	script "cd $builds/project && make && mkdir -p /opt/tool && echo in the overlay >/opt/tool/file"
	run stage run "$SCRATCH/script" step_script
	[ "$status" -eq 0 ]
	[ "$(cat "$builds/project/result")" = built ]
	[ ! -e /opt/tool ]
	script "test -e $builds/project/result && test ! -e /opt/tool"
	stage run "$SCRATCH/script" after_script
	script "exit 3"
	run stage run "$SCRATCH/script" step_script
	[ "$status" -eq 41 ]
	[[ "$output" == *"step_script: it ended with status 3"* ]]
	JOB_TIMEOUT=1s
	script "sleep 60"
	run stage run "$SCRATCH/script" build_script
	[ "$status" -eq 41 ]
	[[ "$output" == *"longer than the timeout of 1s"* ]]
	stage cleanup
	[ -z "$(ls "$SCRATCH/ci")" ]
	assert_nothing_left
}

@test "GitLab: what is the machine's failure is called so, and names lead nowhere" {
	JOB_ID=../../etc run stage prepare
	[ "$status" -eq 42 ]
	stage prepare
	run stage prepare
	[ "$status" -eq 42 ]
	mkdir -p "$SCRATCH/images"
	script true
	IMAGES=$SCRATCH/images JOB_IMAGE=../../.. run stage run "$SCRATCH/script" step_script
	[ "$status" -eq 42 ]
	[[ "$output" == *"not one of this runner's"* ]]
	# What a job leaves does not lead its cleanup away.
	script "ln -s $SCRATCH/images $SCRATCH/ci/job-4711/builds/link && chmod 0 $SCRATCH/ci/job-4711/builds"
	stage run "$SCRATCH/script" step_script
	stage cleanup
	[ -d "$SCRATCH/images" ]
	[ -z "$(ls "$SCRATCH/ci")" ]
}

@test "every recipe can be read, and uses options that there are" {
	local option file
	for file in "$RECIPES"/*.yml "$RECIPES"/kubernetes/*.yaml; do
		/usr/bin/python3 -c 'import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1])))' "$file" 2>"$SCRATCH/error" ||
			grep -q "No module named 'yaml'" "$SCRATCH/error" || fail "$file: $(cat "$SCRATCH/error")"
	done
	for option in $(grep -ohE "duet sandbox .*|^ +--.*|OPTIONS:?-.*" "$RECIPES"/*.* | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
		"$DUET" sandbox --help | grep -q -- "$option" || fail "there is no option $option"
	done
	! command -v systemd-analyze >/dev/null || systemd-analyze verify "$RECIPES/duet-sandbox@.service" 2>&1 | grep -vE 'not executable|man duet' | (! grep .)
	bash -n "$RECIPES/gitlab-executor.sh"
}
