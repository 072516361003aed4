#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line itself: options, help, completion, the manual page, and the words of errors that engines look for.

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

verbs() {
	"$DUET" help | sed -n '/^Commands:/,/^Global/s/^  \([a-z-]*\)  .*/\1/p'
}

# The long options of a verb, by its help.
options() {
	"$DUET" help "$1" | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'
}

# complete_words WORD…: what bash offers for the last one.
complete_words() {
	bash -c 'PATH=$1:$PATH; source <("$2" completion bash); shift 2
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _duet; printf "%s\n" "${COMPREPLY[@]}"' \
		- "$SCRATCH/path" "$DUET" duet "$@"
}

@test "there is help for every command, and the commands know --help" {
	local verb
	[ "$(verbs | wc -l)" -ge 12 ]
	for verb in $(verbs); do
		[ "$("$DUET" help "$verb")" = "$("$DUET" "$verb" --help)" ] || fail "$verb"
		[[ "$("$DUET" "$verb" -h)" == "Usage: duet $verb"* ]] || fail "$verb"
	done
}

@test "every option of --help is completed and stands in the manual page" {
	local verb option bash_words man zsh fish
	zsh=$("$DUET" completion zsh)
	fish=$("$DUET" completion fish)
	for verb in $(verbs); do
		bash_words=$(complete_words "$verb" --)
		man=$("$DUET" help --man | sed -n "/^\.SS \"$verb\\b/,/^\.S[SH] /p" | tr -d '\\')
		for option in $(options "$verb"); do
			grep -qxF -e "$option" <<<"$bash_words" || fail "bash: $verb $option"
			grep -qE -e "seen_subcommand_from $verb' .*-l ${option#--} " <<<"$fish" || fail "fish: $verb $option"
			sed -n "/^	$verb)/,/^		;;/p" <<<"$zsh" | grep -qE -e "[{,']${option}[[}]" || fail "zsh: $verb $option"
			[ "$option" = --help ] || grep -qF -e "$option" <<<"$man" || fail "man: $verb $option"
		done
	done
	for option in $("$DUET" help | sed -n '/^Global/,$p' | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
		complete_words -- | grep -qxF -e "$option" || fail "bash: $option"
		[ "$option" = --help ] || "$DUET" help --man | tr -d '\\' | grep -qF -e "fB$option" || fail "man: $option"
	done
}

@test "the scripts for the shells are valid" {
	local shell
	for shell in bash zsh fish; do
		"$DUET" completion $shell >"$SCRATCH/$shell"
		! command -v $shell >/dev/null || $shell -n "$SCRATCH/$shell"
	done
	if command -v man >/dev/null && [ -e "$BUILD/duet.1" ]; then
		[ -z "$(man -l --warnings "$BUILD/duet.1" 2>&1 >/dev/null)" ]
	fi
	run "$DUET" completion tcsh
	[ "$status" -eq 1 ]
}

@test "completion offers commands, containers, words, files and signals" {
	local id
	mkdir -p "$SCRATCH/path"
	ln -sf "$DUET" "$SCRATCH/path/duet"
	id=$(new_id)
	configure_command true
	duet_create "$id" </dev/null
	complete_words "" | grep -qx create
	[ "$(complete_words --root "$ROOT" state "")" = "$id" ]
	[ "$(complete_words "--root" = "$ROOT" kill "")" = "$id" ]
	complete_words --root "$ROOT" kill "$id" T | grep -qx TERM
	[ "$(complete_words list --format j)" = json ]
	[ "$(complete_words list --format = j)" = json ]
	[ "$(complete_words --log-format "")" = $'text\njson' ]
	[ "$(complete_words run --bundle "$SCRATCH/bun")" = "$SCRATCH/bundle" ]
	[ "$(complete_words create --pid-file "$SCRATCH/config.t")" = "$SCRATCH/config.template.json" ]
	[ "$(complete_words help vers)" = version ]
	duet delete --force "$id"
}

@test "what is wrong on the command line is said in one line" {
	local arguments
	while read -r arguments; do
		# shellcheck disable=SC2086
		run --separate-stderr "$DUET" $arguments
		[ "$status" -eq 1 ] || fail "$arguments: status $status"
		[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "$arguments: $stderr"
		[ -z "$output" ] || fail "$arguments: $output"
	done <<-'END'
		--no-such-option
		--root
		no-such-command
		delete
		delete --frce x
		delete -x x
		delete --force=yes x
		run --bundle
		list --format xml
		kill x NOSUCHSIGNAL
		--log-format xml list
		--rootless perhaps list
		--cgroup-manager other list
		state ../x
	END
	run --separate-stderr "$DUET"
	[ "$status" -eq 1 ]
}

@test "the version begins as tools expect it" {
	[[ "$("$DUET" --version)" == "duet version "[0-9]*$'\nspec: 1.'* ]]
	[ "$("$DUET" --version)" = "$("$DUET" -v)" ]
	[ "$("$DUET" --version)" = "$("$DUET" version)" ]
}
