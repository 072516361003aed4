# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What `run` and `shell` share: options, the disk with the tree under test, starting and ending the machine.
# Sourced; the caller has set `tool`, its name in messages.

tool=${tool:-testbed}
testbed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$testbed/../.." && pwd)
build=${DUET_BUILD:-$root/build}

# What the machine sees of the tree, at the same relative places. Missing ones are passed over: a smoke test needs no
# program. Symbolic links are followed, because caches lie outside the tree.
tree_parts=(tests scripts docs)
build_parts=(duet guest/vmlinux guest/initrd.cpio guest/init guest/probe guest/measure tests)

machine_cgroup=v2
machine_init=plain
machine_with=()
machine_packed=()
machine_environment=()
machine_append=
machine_timeout=
machine_cpus=2
machine_memory=3072
# Longer than the slowest start seen on a machine whose two processors were busy elsewhere.
machine_boot_timeout=120
machine_silence=0 # seconds without output after which the machine counts as stuck; 0: never
machine_work=
machine_pid=
machine_terminal=

# Without erms and fsrm the kernel clears and copies memory by words, which TCG does several times as fast as by bytes;
# without la57 it walks four levels of page tables, not five.
machine_hardware=(-M "q35,vmport=off,smbus=off,sata=off,usb=off" -cpu "max,+svm,+npt,-erms,-fsrm,-la57"
	-accel "tcg,thread=multi" -bios qboot.rom)

readonly status_died=125
readonly status_timed_out=124

die() {
	printf '%s: %s\n' "$tool" "$*" >&2
	exit 2
}

# Takes one option that both tools know; returns 1 for what is not one.
machine_option() { # ARGUMENT
	local value=${1#*=}
	case $1 in
	--cgroup=*)
		[[ $value =~ ^(v1|v2|hybrid)$ ]] || die "--cgroup is v1, v2 or hybrid, not '$value'"
		machine_cgroup=$value
		;;
	--init=*)
		[[ $value =~ ^(plain|systemd)$ ]] || die "--init is plain or systemd, not '$value'"
		machine_init=$value
		;;
	--with=*) machine_with+=("$value") ;;
	--pack=*) machine_packed+=("$value") ;;
	--env=*)
		[[ $value =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || die "--env wants NAME=VALUE, not '$value'"
		machine_environment+=("$value")
		;;
	--append=*) machine_append+=" $value" ;;
	--timeout=*) machine_number machine_timeout "$1" ;;
	--cpus=*) machine_number machine_cpus "$1" ;;
	--memory=*) machine_number machine_memory "$1" ;;
	*) return 1 ;;
	esac
}

machine_number() { # VARIABLE OPTION=VALUE
	[[ ${2#*=} =~ ^[1-9][0-9]*$ ]] || die "${2%%=*} wants a positive number, not '${2#*=}'"
	printf -v "$1" '%s' "${2#*=}"
}

# Options whose value may stand apart, as `--timeout 60`.
machine_takes_value() { # ARGUMENT
	[[ $1 =~ ^--(cgroup|init|with|pack|env|append|timeout|cpus|memory)$ ]]
}

machine_need() { # PROGRAM PACKAGE
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || die "$1 is missing: install the Debian package $2"
}

machine_prepare() { # KIND [ARGUMENT]...
	machine_need qemu-system-x86_64 qemu-system-x86
	machine_need mke2fs e2fsprogs
	machine_need setpriv util-linux
	machine_need "${CC:-cc}" gcc
	[[ $machine_init != systemd ]] || machine_with+=(systemd)
	# EXIT runs for every end but SIGKILL, and then the machine ends by its parent-death signal.
	trap machine_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 129' HUP
	trap 'exit 143' TERM
	machine_image=$("$testbed/image.sh" "${machine_with[@]/#/--with=}") || exit 2
	machine_work=$(mktemp -d "${TMPDIR:-/tmp}/duet-testbed.XXXXXX")
	machine_measure_tsc
	machine_pack_tree "$@"
}

machine_measure_tsc() {
	local program=$build/testbed/tsc
	if [[ ! -x $program || $testbed/tsc.c -nt $program ]]; then
		mkdir -p "$build/testbed"
		"${CC:-cc}" -O2 -o "$machine_work/tsc" "$testbed/tsc.c"
		mv "$machine_work/tsc" "$program"
	fi
	machine_tsc_khz=$("$program")
}

machine_pack_tree() { # KIND [ARGUMENT]...
	local tree=$machine_work/tree part
	mkdir -p "$tree/.round" "$tree/build"
	for part in "${tree_parts[@]}" "${machine_packed[@]}"; do
		[[ $part != /* && -e $root/$part ]] || die "--pack=$part: no such file in $root"
		machine_copy "$root" "$part" "$tree"
	done
	for part in "${build_parts[@]}"; do
		[[ ! -e $build/$part ]] || machine_copy "$build" "$part" "$tree/build"
	done
	printf '%s\n' "$1" >"$tree/.round/kind"
	shift
	: >"$tree/.round/arguments"
	(($# == 0)) || printf '%s\0' "$@" >"$tree/.round/arguments"
	printf 'export %q\n' "DUET_CGROUP=$machine_cgroup" "DUET_TESTBED_INIT=$machine_init" \
		"${machine_environment[@]}" >"$tree/.round/environment"
	chmod -R go+rX "$tree"

	local size_mib
	size_mib=$(du -sm "$tree" | cut -f1)
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$tree" \
		"$machine_work/tree.ext4" "$((size_mib + size_mib / 8 + 16))M" >"$machine_work/mke2fs.log"
	rm -rf "$tree"
}

machine_copy() { # FROM PART TO
	mkdir -p "$(dirname "$3/$2")"
	cp -RLp "$1/$2" "$3/$2"
}

# Starts QEMU as the shell's child. The machine's four serial ports: see machine/round.sh.
machine_start() { # CONSOLE OUTPUT ERROR REPORT (QEMU character devices)
	local append="root=/dev/nvme0n1 rw rootfstype=ext4 console=ttyS0 quiet panic=-1 oops=panic"
	# The kernel's own measurement of its clock goes wrong on a busy host (see tsc.c). lpj is ticks per jiffy, 250 Hz.
	append+=" tsc_early_khz=$machine_tsc_khz lpj=$((machine_tsc_khz * 4)) tsc=reliable no_timer_check"
	# What costs boot time under software emulation and protects nothing here.
	# norandmaps matters most: QEMU translates code once per virtual address, so that with address randomisation
	# every new process of the same program is translated anew (a bats test took three times as long).
	append+=" norandmaps mitigations=off init_on_alloc=0 no5lvl"
	append+=" rcupdate.rcu_expedited=1 cryptomgr.notests random.trust_cpu=on"
	append+=" duet.cgroup=$machine_cgroup $(machine_init_arguments)$machine_append"
	local port=0 chardev arguments=()
	for chardev in "$@"; do
		arguments+=(-chardev "$chardev,id=port$port" -device "isa-serial,chardev=port$port,index=$port")
		port=$((port + 1))
	done
	mkfifo "$machine_work/monitor.in" "$machine_work/monitor.out"
	TMPDIR=$machine_work setpriv --pdeathsig KILL -- \
		timeout --foreground -k 5 "$((${machine_timeout:-86400} + machine_boot_timeout + 30))" \
		setpriv --pdeathsig KILL -- \
		qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		"${machine_hardware[@]}" -smp "$machine_cpus" -m "$machine_memory" \
		-kernel "$machine_image/kernel" -append "$append" \
		-drive "file=$machine_image/root.ext4,format=raw,if=none,id=root,snapshot=on,cache=unsafe" \
		-drive "file=$machine_work/tree.ext4,format=raw,if=none,id=tree,read-only=on,cache=unsafe" \
		-device nvme,id=disks,serial=testbed -device nvme-ns,drive=root,bus=disks,nsid=1 \
		-device nvme-ns,drive=tree,bus=disks,nsid=2 "${arguments[@]}" \
		-chardev "pipe,path=$machine_work/monitor,id=monitor" -mon chardev=monitor <&0 2>"$machine_work/qemu.log" &
	machine_pid=$!
}

machine_init_arguments() {
	[[ $machine_init == systemd ]] || {
		printf 'init=/sbin/testbed-init'
		return
	}
	printf 'init=/lib/systemd/systemd systemd.unit=multi-user.target systemd.wants=testbed.service systemd.show_status=no'
	case $machine_cgroup in
	v2) printf ' systemd.unified_cgroup_hierarchy=1' ;;
	hybrid) printf ' systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=0' ;;
	v1) printf ' systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1' ;;
	esac
}

machine_stop() {
	[[ -n $machine_pid ]] && kill -TERM "$machine_pid" 2>/dev/null || return 0
	wait "$machine_pid" 2>/dev/null || true
}

machine_cleanup() {
	trap - EXIT
	trap '' INT TERM HUP
	machine_stop
	[[ -z $machine_terminal ]] || stty "$machine_terminal"
	[[ -z $machine_work ]] || rm -rf "$machine_work"
}

# Runs one round to its end with standard output and error passed through, and answers the status of what ran in it,
# or says what became of the machine and answers status_died or status_timed_out.
machine_round() {
	local work=$machine_work report held_output held_error line partial='' phase=booting status='' readers=() started=$SECONDS
	mkfifo "$work/output" "$work/error" "$work/report"
	: >"$work/heard" && : >"$work/noticed"
	tee "$work/heard" <"$work/output" &
	readers+=($!)
	cat "$work/error" >&2 &
	readers+=($!)
	# Held open at both ends, so that nobody waits for a QEMU that never comes to open its own.
	exec {report}<>"$work/report" {held_output}<>"$work/output" {held_error}<>"$work/error"
	machine_start "file,path=$work/console" "file,path=$work/output" "file,path=$work/error" "file,path=$work/report" \
		</dev/null
	local deadline=$((SECONDS + machine_boot_timeout)) last_heard=$SECONDS
	while :; do
		if [[ $phase != running || "$work/heard" -nt "$work/noticed" ]]; then
			touch "$work/noticed"
			last_heard=$SECONDS
		fi
		if IFS= read -r -t 0.5 -u "$report" line; then
			line=$partial$line
			partial=
			case $line in
			ready*)
				phase=running
				deadline=$((SECONDS + machine_timeout))
				;;
			"exit "*)
				status=${line#exit }
				phase="switching off"
				deadline=$((SECONDS + 20))
				;;
			esac
			continue
		fi
		# On a busy machine a line may come in two pieces: read has taken the first of them.
		partial+=$line
		if ! kill -0 "$machine_pid" 2>/dev/null; then
			break
		elif ((SECONDS >= deadline)); then
			machine_look
			machine_stop
			exec {held_output}>&- {held_error}>&-
			wait "${readers[@]}" || true
			machine_failed "timed out after $((SECONDS - started)) s while $phase"
			return "$status_timed_out"
		elif ((machine_silence && SECONDS - last_heard > machine_silence)); then
			machine_look
			machine_stop
			exec {held_output}>&- {held_error}>&-
			wait "${readers[@]}" || true
			machine_failed "said nothing for $machine_silence s: it stands still"
			return "$status_timed_out"
		fi
	done
	local qemu_status=0
	wait "$machine_pid" || qemu_status=$?
	exec {held_output}>&- {held_error}>&-
	wait "${readers[@]}" || true
	if [[ ! $status =~ ^[0-9]+$ ]]; then
		machine_failed "died while $phase (qemu's status $qemu_status)"
		return "$status_died"
	fi
	return "$status"
}

# Where the processors of a machine are that does not answer (--append=nokaslr gives the addresses meaning).
machine_look() {
	local commands answers
	mkdir -p "$build/testbed"
	exec {commands}<>"$machine_work/monitor.in" {answers}<>"$machine_work/monitor.out"
	printf 'info registers -a\ninfo lapic\n' >&"$commands"
	timeout 3 cat <&"$answers" | tr -d '\r' |
		grep -E '^(CPU#|R[A-Z0-9]+ *=|CR|EFER|IRR|ISR|LVTT|Timer)' >"$build/testbed/registers.$$.log" || true
	exec {commands}>&- {answers}<&-
	printf '%s: where its processors are: %s\n' "$tool" "$build/testbed/registers.$$.log" >&2
}

machine_failed() { # WHAT
	local log=$build/testbed/console.$$.log
	printf '%s: the machine %s\n' "$tool" "$1" >&2
	sed "s|^|$tool: |" "$machine_work/qemu.log" >&2
	if [[ -s $machine_work/console ]] && mkdir -p "$build/testbed"; then
		cp "$machine_work/console" "$log"
		printf '%s: the end of its console (all of it: %s):\n' "$tool" "$log" >&2
		tail -n 40 "$log" | tr -d '\r' >&2
	fi
}
