# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The containers whose words parity.bats looks at, and how it asks for them.

make_sources() {
	mkdir -p "$VOLUME" "$SCRATCH/readonly/below" "$SCRATCH/plain"
	chmod 777 "$VOLUME"
	echo from-host >"$SCRATCH/file"
	echo deep >"$SCRATCH/readonly/below/file"
	cp "$(command -v busybox)" "$SCRATCH/plain/true"
	mkdir -p "$BUNDLE/rootfs/place" "$BUNDLE/rootfs/kept/inner"
	echo kept >"$BUNDLE/rootfs/kept/file"
	ln -s place "$BUNDLE/rootfs/link"
	cp "$TOP/tests/data/tell.sh" "$BUNDLE/rootfs/tell.sh"
	cp "$TOP/tests/data/hear.sh" "$BUNDLE/rootfs/hear.sh"
}

tell_all() {
	configure '.process.args = ["sh", "/tell.sh", "two words", "", "tab\there", "ünïcödé"]
		| .process.user = { uid: 1000, gid: 1001, additionalGids: [2000, 2001], umask: 23 } | .process.cwd = "/tmp"
		| .process.env = ["PATH=/bin", "PLAIN=value", "SPACES=a b  c", "EQUALS=x=y=z", "EMPTY=", "UNICODE=größe"]
		| .process.noNewPrivileges = true | .process.oomScoreAdj = 500
		| .process.capabilities = { bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"], permitted: ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
			inheritable: ["CAP_NET_BIND_SERVICE"], effective: ["CAP_NET_BIND_SERVICE"], ambient: ["CAP_NET_BIND_SERVICE"] }
		| .process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 111, hard: 222 }, { type: "RLIMIT_CORE", soft: 0, hard: 0 },
			{ type: "RLIMIT_FSIZE", soft: 10485760, hard: 20971520 }, { type: "RLIMIT_NPROC", soft: 1234, hard: 2345 }, { type: "RLIMIT_STACK", soft: 4194304, hard: 8388608 },
			{ type: "RLIMIT_MEMLOCK", soft: 8192, hard: 8192 }, { type: "RLIMIT_CPU", soft: 100, hard: 200 }, { type: "RLIMIT_SIGPENDING", soft: 77, hard: 99 }]
		| .process.scheduler = { policy: "SCHED_BATCH", nice: 7 } | .process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 }
		| .hostname = "parity-host" | .domainname = "parity-domain"
		| .linux.sysctl = { "kernel.msgmax": "9999", "net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1" }
		| .linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
			syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 18 }, { names: ["symlink", "symlinkat"], action: "SCMP_ACT_ERRNO" }] }
		| .linux.devices = [{ path: "/dev/own/random", type: "c", major: 1, minor: 8, fileMode: 288, uid: 1000, gid: 1001 }, { path: "/dev/pipe", type: "p", fileMode: 384, uid: 1000 }]
		| .linux.maskedPaths += ["/kept/inner", "/kept/file"] | .linux.readonlyPaths += ["/place"]
		| .root.readonly = false
		| .mounts += [
			{ destination: "/volume", type: "bind", source: "\(env.SCRATCH)/volume", options: ["rbind", "rw"] },
			{ destination: "/ro", type: "bind", source: "\(env.SCRATCH)/readonly", options: ["rbind", "rro"] },
			{ destination: "/etc/one", type: "bind", source: "\(env.SCRATCH)/file", options: ["bind", "ro"] },
			{ destination: "/plain", type: "bind", source: "\(env.SCRATCH)/plain", options: ["bind", "noexec", "nosuid", "nodev"] },
			{ destination: "/link/through", type: "bind", source: "\(env.SCRATCH)/file", options: ["bind"] },
			{ destination: "/small", type: "tmpfs", source: "tmpfs", options: ["size=64k", "mode=1777", "noexec"] },
			{ destination: "/owned", type: "tmpfs", source: "tmpfs", options: ["mode=0700", "uid=1000", "gid=1001"] },
			{ destination: "/closed", type: "tmpfs", source: "tmpfs", options: ["ro"] },
			{ destination: "/made/for/this", type: "tmpfs", source: "tmpfs", options: ["nr_inodes=5", "mode=777"] },
			{ destination: "/made/for/this/below", type: "tmpfs", source: "tmpfs", options: ["mode=777"] }]'
	echo "a line" | duet_run >"$SAID" 2>&1 || echo "status $?" >>"$SAID"
}

tell_terminal() {
	configure '.process.args = ["sh", "-c", "echo tty $(tty); test -t 0 && echo in; test -t 1 && echo out; test -t 2 && echo err; echo term $TERM; ls -l /dev/console; cut -d\" \" -f 7 /proc/self/stat; stat -c \"owner %u\" $(tty); exit 9"]
		| .process.terminal = true | .process.consoleSize = { height: 33, width: 99 } | .process.user.uid = 1000 | .process.env += ["TERM=duet-term"]'
	export ROOT BUNDLE DUET
	script -qec "'$DUET' --root '$ROOT' run --isolation='${DUET_ISOLATION:-container}' -b '$BUNDLE' terminal-$$" /dev/null </dev/null >"$SCRATCH/screen" 2>&1 ||
		echo "status $?" >>"$SCRATCH/screen"
	tr -d '\r\000' <"$SCRATCH/screen" >"$SCRATCH/screen.lines"
}

begin_target() {
	configure '.process.args = ["sh", "/hear.sh"] | .process.user = { uid: 0, gid: 0 } | .process.capabilities |= map_values(. + ["CAP_KILL"])
		| .mounts += [{ destination: "/volume", type: "bind", source: "\(env.SCRATCH)/volume", options: ["rbind", "rw"] }]'
	duet_create "$TARGET" </dev/null >"$SCRATCH/target" 2>&1
	duet start "$TARGET"
	wait_until 30 grep -qx ready "$VOLUME/heard"
}

# said KEY: what the first container said of it.
said() {
	sed -n "s/^$1=//p" "$SAID"
}

# tells KEY VALUE
tells() {
	[ "$(said "$1")" = "$2" ] || fail "$1 is \"$(said "$1")\", not \"$2\"; all of it: $(cat "$SAID")"
}

# tells_of KEY PATTERN
tells_of() {
	# shellcheck disable=SC2053
	[[ "$(said "$1")" == $2 ]] || fail "$1 is \"$(said "$1")\", not like \"$2\"; all of it: $(cat "$SAID")"
}

# The end of file that script(1) types may be echoed in front of the first line.
on_screen() {
	sed 's/.*^@//' "$SCRATCH/screen.lines" | grep -qx -- "$1" || fail "no \"$1\" on the terminal: $(cat "$SCRATCH/screen.lines")"
}

# hears SIGNAL-NAME SIGNAL: kill's argument, and what the process says of it.
hears() {
	duet kill "$TARGET" "$2"
	wait_until 20 grep -qx "$1" "$VOLUME/heard" || fail "not heard: $(cat "$VOLUME/heard")"
}
