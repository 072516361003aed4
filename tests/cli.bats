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

# Each of these prints lines "VERB --option", sorted; the global options stand under the verb "global".
by_help() {
	{
		for verb in $(verbs); do
			echo "= $verb"
			"$DUET" help "$verb"
		done
		echo "= global"
		"$DUET" help
	} | awk '$1 == "=" { verb = $2 } match($0, /^ +(-., )?--[a-z0-9-]+/) { option = substr($0, RSTART, RLENGTH); sub(/.*--/, "--", option)
		print verb, option }' | sort
}

by_bash() {
	bash -c 'source <("$1" completion bash); shift
		for verb in "$@" ""; do _duet_options "$verb"; for option in $options; do echo "${verb:-global} $option"; done; done' \
		- "$DUET" $(verbs) | grep -e ' --' | sort
}

by_zsh() {
	"$DUET" completion zsh | awk '/^_duet\(\)/ { verb = "global" } /^\t[a-z]+\)$/ { verb = substr($1, 1, length($1) - 1) }
		verb && match($0, /--[a-z0-9-]+[}[]/) { print verb, substr($0, RSTART, RLENGTH - 1) }' | sort
}

by_fish() {
	"$DUET" completion fish | awk '/^complete/ && match($0, / -l [a-z0-9-]+/) { option = substr($0, RSTART + 4, RLENGTH - 4); verb = "global"
		if (match($0, /seen_subcommand_from [a-z]+/)) verb = substr($0, RSTART + 21, RLENGTH - 21)
		print verb, "--" option }' | sort
}

by_man() {
	"$DUET" help --man | tr -d '\\' | awk '/^\.SS/ { verb = substr($2, 2); sub(/"/, "", verb) } /^\.SH GLOBAL/ { verb = "global" }
		match($0, /fB--[a-z0-9-]+fR/) && !/^[A-Z]/ { print verb, substr($0, RSTART + 2, RLENGTH - 4) }' | sort
}

@test "every option of --help is completed and stands in the manual page" {
	local options
	options=$(by_help)
	[ "$(wc -l <<<"$options")" -gt 60 ]
	diff <(echo "$options") <(by_bash)
	diff <(echo "$options") <(by_zsh)
	diff <(echo "$options") <(by_fish)
	diff <(grep -v -e ' --help$' <<<"$options") <(by_man)
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

# as_nobody COMMAND…: without any privilege, in a directory of its own with a bundle.
as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env -C "$SCRATCH/nobody" XDG_RUNTIME_DIR="$SCRATCH/nobody" "$@"
}

@test "somebody without privilege runs a bundle of spec --rootless; --rootless=false insists on a cgroup" {
	chmod 755 "$SCRATCH"
	mkdir "$SCRATCH/nobody"
	cp -r "$BUNDLE/rootfs" "$SCRATCH/nobody/rootfs"
	chown -R 65534:65534 "$SCRATCH/nobody"
	as_nobody test -x "$DUET" || skip "the program is in a directory that others may not enter"
	as_nobody "$DUET" spec --rootless
	jq '.process.args = ["id", "-u"] | .process.terminal = false' "$SCRATCH/nobody/config.json" >"$SCRATCH/config"
	cat "$SCRATCH/config" >"$SCRATCH/nobody/config.json"
	[ "$(as_nobody "$DUET" run x)" = 0 ]
	[ "$(as_nobody "$DUET" --rootless=true run x)" = 0 ]
	run --separate-stderr as_nobody "$DUET" --rootless=false run x
	[ "$status" -eq 1 ]
	[[ "$stderr" == *cgroup*"ermission denied" ]]
	jq '.linux.resources.pids.limit = 5' "$SCRATCH/config" >"$SCRATCH/nobody/config.json"
	run --separate-stderr as_nobody "$DUET" run x
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"linux.resources.pids.limit"* ]]
	[ -z "$(as_nobody "$DUET" list -q)" ]
}

@test "the root of a user namespace keeps its containers in XDG_RUNTIME_DIR, unless it logged in as root" {
	mkdir -p "$SCRATCH/user-root/duet/half"
	as_root_of_namespace() {
		unshare --map-root-user env "$@" XDG_RUNTIME_DIR="$SCRATCH/user-root" "$DUET" --debug list 2>&1
	}
	[[ "$(as_root_of_namespace -u USER)" == *'"half" was never created completely'* ]]
	[[ "$(as_root_of_namespace USER=somebody)" == *'"half" was never created completely'* ]]
	[[ "$(as_root_of_namespace USER=root)" != *half* ]]
	[[ "$(XDG_RUNTIME_DIR="$SCRATCH/user-root" USER=somebody "$DUET" --debug list 2>&1)" != *half* ]]
}

@test "spec writes a configuration that runs, and never over another one" {
	mkdir "$SCRATCH/made"
	"$DUET" spec --bundle "$SCRATCH/made"
	jq -e '.process.args == ["sh"] and .ociVersion' "$SCRATCH/made/config.json"
	run "$DUET" spec -b "$SCRATCH/made"
	[ "$status" -eq 1 ]
	[[ "$output" == *"File exists" ]]
}

@test "kill takes names in any case, with and without SIG, numbers and real-time signals" {
	local id signal
	id=$(new_id)
	rm -f "$BUNDLE/rootfs/signals"
	configure '.process.args = ["sh", "-c", $ARGS.positional[0]]' \
		'for s in 1 10 34 37; do trap "echo $s >>/signals" $s; done; echo ready >>/signals; while :; do sleep 0.05; done'
	duet_create "$id" </dev/null
	duet start "$id"
	wait_until 60 grep -q ready "$BUNDLE/rootfs/signals"
	for signal in HUP SIGUSR1 rtmin RTMIN+3 sighup 10; do
		duet kill "$id" $signal
	done
	wait_until 60 sh -c "[ \"\$(sort -n '$BUNDLE/rootfs/signals' | uniq | tr '\n' ' ')\" = 'ready 1 10 34 37 ' ]"
	for signal in 0x9 99 -1 SIGNONE ''; do
		run duet kill "$id" -- "$signal"
		[ "$status" -eq 1 ] || fail "$signal"
	done
	duet kill "$id" 0
	duet kill "$id" SIGKILL
	wait_until 20 is_in_state "$id" stopped
	run duet kill "$id" 0
	[ "$status" -eq 1 ]
	[[ "$output" == *"container not running"* ]]
	duet delete "$id"
}

@test "errors carry the words that engines look for" {
	local id
	id=$(new_id)
	for verb in state start kill delete pause resume ps update events exec; do
		case $verb in
		update) set -- --pids-limit 5 "$id" ;;
		exec) set -- "$id" true ;;
		*) set -- "$id" ;;
		esac
		run --separate-stderr duet $verb "$@"
		[ "$status" -ne 0 ]
		[[ "$stderr" == *"does not exist"* ]] || fail "$verb: $stderr"
	done
	run duet delete --force "$id"
	[ "$status" -eq 0 ]
	# The last line of the log, as containerd reads it.
	configure_command /no/such/program
	run -127 --separate-stderr duet --log "$SCRATCH/log" --log-format json create -b "$BUNDLE" "$id"
	[ "$(tail -n 1 "$SCRATCH/log" | jq -r .level)" = error ]
	tail -n 1 "$SCRATCH/log" | jq -r .msg | grep -q "no such file or directory"
	tail -n 1 "$SCRATCH/log" | jq -er .time
}

@test "list: a table, JSON, and ids alone" {
	local id
	id=$(new_id)
	configure_command true
	[ "$(duet list -q)" = "" ]
	[ "$(duet list -f json)" = "[]" ]
	duet_create "$id" </dev/null
	[ "$(duet list | wc -l)" -eq 2 ]
	[[ "$(duet list | head -n 1)" == ID*PID*STATUS*BUNDLE*CREATED*OWNER* ]]
	[ "$(duet list | awk 'NR == 2 { print $1, $3, $4 }')" = "$id created $BUNDLE" ]
	duet list --format json | jq -e --arg id "$id" --arg bundle "$BUNDLE" 'length == 1 and .[0].id == $id and .[0].status == "created"
		and .[0].bundle == $bundle and .[0].owner == "root" and .[0].pid > 1 and (.[0].created | test("^2.*Z$"))'
	[ "$(duet list -f json -q)" = "$id" ]
	duet delete --force "$id"
	mkdir -p "$ROOT/damaged" "$ROOT/half"
	echo '{' >"$ROOT/damaged/state.json"
	run --separate-stderr duet list -q
	rm -r "$ROOT/damaged" "$ROOT/half"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ "$stderr" == *"warning: $ROOT/damaged/state.json: not a container's record"* && "$stderr" != *half* ]]
	run --separate-stderr duet --root "$BUNDLE/config.json" list -f json
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ $stderr == *"Not a directory"* ]]
	run duet --root '' list
	[ "$status" -eq 1 ]
	[[ $output == *"--root: a directory is expected"* ]]
}

@test "kill and delete take a regular expression, and try every container that it matches" {
	local id
	configure_command sleep 1000
	for id in web-1 web-2 db-1; do
		duet create -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	done
	duet start web-1
	duet kill web-2 KILL
	wait_until 10 is_in_state web-2 stopped
	# One that cannot be deleted does not keep the others.
	run duet delete --regex '^web-[12]$'
	[ "$status" -eq 1 ]
	[[ $output == *web-1*"is running"* ]]
	[ "$(duet list -q | tr '\n' ' ')" = "db-1 web-1 " ]
	duet kill --regex '1$' KILL
	wait_until 10 is_in_state web-1 stopped
	wait_until 10 is_in_state db-1 stopped
	duet delete -r no-such-name
	duet delete -r '[0-9]'
	[ -z "$(duet list -q)" ]
	run duet delete --regex 'web-('
	[ "$status" -eq 1 ]
	[[ $output == *'regular expression "web-("'* ]]
}

@test "a trace of the start has spans of the runtime and of the container's process" {
	configure_command /bin/true
	duet --trace-start "$BATS_TEST_TMPDIR/trace.json" run -b "$BUNDLE" traced </dev/null
	jq -e '[.[] | select(.ph == "M") | .args.name] | contains(["duet", "container"])' "$BATS_TEST_TMPDIR/trace.json"
	jq -e '[.[] | select(.ph == "X" and .dur >= 0 and .ts >= 0) | .name]
		| contains(["make the sealed copy", "clone with new namespaces", "mounts", "filter and execve", "delete the container"])' \
		"$BATS_TEST_TMPDIR/trace.json"
	run duet --trace-start /nowhere/trace list
	[ "$status" -eq 1 ]
	[[ $output == *"open the trace file /nowhere/trace: No such file or directory"* ]]
}

@test "a name commands no terminal, and begins no line of a log" {
	run duet --log "$SCRATCH/lines" state $'a\e]0;title\a\xc2\x9b31m\nduet: forged'
	[ "$status" -eq 1 ]
	[[ "$output" == *'a?]0;title???31m?duet: forged'* && "$output" != *$'\e'* ]]
	[ "$(wc -l <"$SCRATCH/lines")" -eq 1 ]
}

@test "somebody else's state directory is not believed" {
	mkdir -p "$SCRATCH/foreign/box"
	chown -R 12345 "$SCRATCH/foreign" 2>/dev/null || skip "needs to give files away"
	for command in "state box" list "kill box KILL" "delete --force box"; do
		# shellcheck disable=SC2086
		run duet --root "$SCRATCH/foreign" $command
		[ "$status" -eq 1 ]
		[[ "$output" == *"belongs to somebody else"* ]]
	done
	[ -d "$SCRATCH/foreign/box" ]
}

@test "--log goes to a file, to the journal or to syslog" {
	run duet --log "file:$SCRATCH/log" state none
	[ "$status" -eq 1 ]
	grep -q 'duet: container "none" does not exist' "$SCRATCH/log"
	command -v socat >/dev/null || skip "socat is missing"
	unshare -m true 2>/dev/null || skip "needs a mount namespace"
	# Both sockets have fixed places: in a mount namespace they are the test's own.
	# shellcheck disable=SC2016
	run timeout 30 unshare -m bash -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mkdir /run/dev && mknod /run/dev/null c 1 3 && mount --bind /run/dev /dev
		for place in /run/systemd/journal/socket /dev/log; do
			socat -u "UNIX-RECV:$place" "OPEN:/run/heard.${place##*/},creat,append" 3>&- & listeners+=($!)
			until [ -S "$place" ]; do sleep 0.05; done
		done
		"$DUET" --root "$ROOT" --log journald:me state none; "$DUET" --root "$ROOT" --log syslog: state none
		until [ -s /run/heard.log ]; do sleep 0.05; done
		cat /run/heard.socket; echo; cat /run/heard.log; kill "${listeners[@]}"' 3>&-
	echo "$output"
	[[ "$output" == *$'PRIORITY=3\nSYSLOG_IDENTIFIER=me\nMESSAGE=container "none" does not exist'* ]]
	[[ "$output" =~ \<11\>duet\[[0-9]+\]:\ container\ \"none\"\ does\ not\ exist ]]
	run duet --log syslog:x --root "$SCRATCH/none" list
	[ "$status" -eq 0 ] || [[ "$output" == *"connect to the log's socket /dev/log"* ]]
}
