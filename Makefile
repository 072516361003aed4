# SPDX-License-Identifier: Apache-2.0
# duet: `make help` lists what can be asked for.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

CC      ?= gcc
CFLAGS  ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wno-format-nonliteral
WERROR  ?= -Werror
PACKAGES := jansson libseccomp libcap libmnl libcgroup libarchive
# z and zstd: of libarchive, whose shared object would draw in a dozen more.
LIBRARY_NAMES := jansson seccomp cap cgroup archive z zstd

# Rooms that make up the program; guest/ is the other side of the wall and is linked on its own.
ROOMS   := base oci ns cgroups seccomp process microvm microvm/devices microvm/devices/fs runtime bench sandbox cli
SOURCES := $(wildcard $(addsuffix /*.c,$(ROOMS)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
MAIN    := $(BUILD)/obj/cli/main.o

# The guest's init: the same process, namespace and cgroup code, static; no JSON, no KVM, no netlink, systemd, libcgroup.
HOST_ONLY := base/shared_library.c ns/netlink_library.c ns/network.c ns/network_guest.c ns/network_read.c ns/network_tap.c ns/rtnetlink.c \
	cgroups/kernel_controllers.c cgroups/details.c cgroups/oom.c ns/foreign_procfs.c ns/live_mounts.c $(wildcard cgroups/systemd*.c)
GUEST_SOURCES := $(filter-out $(HOST_ONLY),$(wildcard microvm/guest/init/*.c base/*.c process/*.c ns/*.c cgroups/*.c)) \
	microvm/guest_protocol.c
GUEST_OBJECTS := $(GUEST_SOURCES:%.c=$(BUILD)/guest/obj/%.o)

# What `duet compare` runs inside the walls.
PROBE_OBJECTS := $(patsubst %.c,$(BUILD)/guest/obj/%.o,$(wildcard bench/probe/*.c))

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS   := $(UNIT_SOURCES:%.c=$(BUILD)/%)
TEST_TOOLS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/guest/*.c tests/tools/*.c tests/attack/*.c)) \
		$(patsubst %.S,$(BUILD)/%,$(wildcard tests/guest/*.S)) $(BUILD)/tests/hostile/hostile $(BUILD)/tests/sandbox/hostile

CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDUET_VERSION='"$(VERSION)"' -DDUET_LIBDIR='"$(PREFIX)/lib/duet"'
COMPILE  = $(CC) -std=gnu17 $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(WERROR) -pthread -MMD -MP
# One file without shared libraries, where every library has an archive: the dynamic linker took a quarter of the time of
# a start, twice, since the program runs again from its sealed copy. What few commands need (libmnl, libsystemd) is loaded
# by them (base/shared_library.h). STATIC=no: for systems with another C library than this one, and for sanitizers.
archive_of = $(findstring /,$(shell $(CC) -print-file-name=lib$(1).a))
STATIC ?= $(if $(findstring -fsanitize,$(CFLAGS)),no,$(if $(strip $(foreach name,c $(LIBRARY_NAMES),$(if $(call archive_of,$(name)),,no))),no,yes))
LINK_MODE := $(if $(filter yes,$(STATIC)),-static-pie)
# What nobody calls is left out with what it would need: libarchive.a knows formats that want other libraries.
LIBRARIES := -Wl,--gc-sections $(foreach name,$(LIBRARY_NAMES),$(if $(call archive_of,$(name)),-l:lib$(name).a,-l$(name)))

.DELETE_ON_ERROR:
.PHONY: all deps guest demo demo-testbed test unit check-format format lint sanitize fuzz bench-start bench-start-testbed soak install clean help

# What is printed by the program itself, from its table of commands.
DOCUMENTS := $(BUILD)/duet.1 $(addprefix $(BUILD)/completion/,bash zsh fish)

all: $(BUILD)/duet $(BUILD)/guest/initrd.cpio $(BUILD)/guest/measure $(BUILD)/guest/probe $(DOCUMENTS) ## build the program and the guest's init (not the guest kernel)

$(BUILD)/duet: $(OBJECTS)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LINK_MODE) -pthread -o $@ $(OBJECTS) $(LIBRARIES) 2>$@.log || { cat $@.log; exit 1; }
	@grep -v -e 'in statically linked applications' -e ': in function ' $@.log || true

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(COMPILE) $(shell pkg-config --cflags $(PACKAGES)) -c -o $@ $<

$(BUILD)/guest/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC [G]  $<"
	@$(COMPILE) -DDUET_GUEST -c -o $@ $<

$(BUILD)/guest/init: $(GUEST_OBJECTS)
	@echo "  LD [G]  $@"
	@$(CC) $(CFLAGS) -static -o $@ $(GUEST_OBJECTS) -lcap

# The measuring program of `duet bench`: the same static file on the host and behind each wall.
MEASURE_OBJECTS := $(patsubst %.c,$(BUILD)/guest/obj/%.o,$(wildcard bench/measure/*.c))
$(BUILD)/guest/measure: $(MEASURE_OBJECTS)
	@echo "  LD [M]  $@"
	@$(CC) $(CFLAGS) -static -pthread -o $@ $(MEASURE_OBJECTS)

$(BUILD)/guest/probe: $(PROBE_OBJECTS)
	@echo "  LD [G]  $@"
	@$(CC) $(CFLAGS) -static -o $@ $(PROBE_OBJECTS)

$(BUILD)/guest/initrd.cpio: $(BUILD)/guest/init scripts/make-initrd.sh
	@echo "  CPIO    $@"
	@scripts/make-initrd.sh $(BUILD)/guest/init $@

$(BUILD)/duet.1: docs/duet.1 $(BUILD)/duet
	@$(BUILD)/duet help --man >$@.commands
	@sed -e '/@COMMANDS@/{r $@.commands' -e 'd}' docs/duet.1 >$@

$(BUILD)/completion/%: $(BUILD)/duet
	@mkdir -p $(@D)
	@$(BUILD)/duet completion $* >$@

deps: ## install the Debian packages that building and testing need
	@scripts/install-deps.sh

guest: $(BUILD)/guest/vmlinux $(BUILD)/guest/initrd.cpio ## build the guest kernel (cached outside the tree) and its init

# With what QEMU needs beside, for the benchmark.
$(BUILD)/guest-9p/vmlinux: microvm/guest/kernel/build.sh microvm/guest/kernel/duet.config scripts/bench-vm.config \
		$(wildcard microvm/guest/kernel/patches/*.patch)
	@mkdir -p $(@D)
	@microvm/guest/kernel/build.sh $@ scripts/bench-vm.config

$(BUILD)/guest/vmlinux: microvm/guest/kernel/build.sh microvm/guest/kernel/duet.config $(wildcard microvm/guest/kernel/patches/*.patch)
	@mkdir -p $(@D)
	@microvm/guest/kernel/build.sh $@

demo: ## install what is missing, build everything, run one bundle behind both walls, side by side
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory all guest
	@scripts/demo.sh $(BUILD)

demo-testbed: all guest ## the same in the testbed, where KVM has hardware support
	@scripts/install-deps.sh
	@DUET=$(BUILD)/duet scripts/make-bundle.sh debian $(BUILD)/demo-bundle && rm -rf $(BUILD)/demo-bundle
	@mkdir -p $(BUILD)/cache/bundles && cp -u $(or $(DUET_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/duet)/bundles/*.tar $(BUILD)/cache/bundles/
	@tests/testbed/shell --timeout=600 --pack=$(BUILD)/cache/bundles --env=DUET_CACHE_DIR=/duet/$(BUILD)/cache -- \
		/duet/scripts/demo.sh /duet/build

test: ## everything that must pass; ends with "N passed, N failed, N skipped"
	@scripts/install-deps.sh
	@$(MAKE) --no-print-directory all guest test-programs
	@[ -d $(BUILD)/sources/zlib ] || scripts/get-source.sh zlib $(BUILD)/sources/zlib || echo "the test that builds it will be skipped"
	@tests/run-all.sh $(BUILD)

.PHONY: test-more
test-more: ## what takes longer, in the testbed: sandboxes, ordinary users, checkpoints, the micro-VM's own tests
	@scripts/install-deps.sh
	@$(MAKE) --no-print-directory all guest test-programs
	@tests/run-all.sh $(BUILD) more

.PHONY: test-clients test-missing-calls test-report
test-report: all guest ## reports in a browser (chromium): pictures of them, light and dark, wide and narrow, in BUILD/report
	@scripts/install-deps.sh report
	@scripts/test-report.sh $(BUILD)

test-missing-calls: all test-programs ## the suite of containers as if the kernel lacked each newer system call
	@tests/missing-calls.sh $(BUILD)

test-clients: ## podman, containerd and docker drive the program (installs them, from Debian)
	@scripts/install-deps.sh clients
	@$(MAKE) --no-print-directory all guest
	@tests/clients/run-all.sh $(BUILD)

.PHONY: test-files-testbed
test-files-testbed: all guest ## fio's verify jobs and stress-ng's file stressors in a container and in a micro-VM, over virtio-fs, in the testbed
	@tests/testbed/run --with=files --timeout=2000 --test-timeout=1500 tests/filesystem/programs.bats

.PHONY: test-programs
test-programs: $(UNIT_TESTS) $(TEST_TOOLS) $(BUILD)/tests/unit/filter_use $(BUILD)/tests/unit/fs_mount $(FUZZ_OBJECTS)

unit: $(UNIT_TESTS) ## run the unit tests alone
	@for t in $(UNIT_TESTS); do $$t || exit 1; done

$(BUILD)/tests/unit/%: tests/unit/%.c $(filter-out $(MAIN),$(OBJECTS))
	@mkdir -p $(@D)
	@echo "  TEST    $@"
	@$(COMPILE) -Wno-maybe-uninitialized $(shell pkg-config --cflags $(PACKAGES)) $(LDFLAGS) -o $@ $< $(filter-out $(MAIN),$(OBJECTS)) $(LIBRARIES) -lmnl -lcmocka

$(BUILD)/tests/%: tests/%.c
	@mkdir -p $(@D)
	@echo "  TOOL    $@"
	@$(COMPILE) -static $(TOOL_FLAGS) -o $@ $<

$(BUILD)/tests/attack/evil_loader: TOOL_FLAGS = -nostdlib -ffreestanding -fno-stack-protector

# Guest kernels of a few instructions: an ELF file at 16 MiB.
$(BUILD)/tests/%: tests/%.S
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(CC) -nostdlib -static -no-pie -Wl,-Ttext=0x1000000,--build-id=none -o $@ $<

# A guest kernel that misbehaves: no C library, no vector registers, no interrupts.
$(BUILD)/tests/hostile/hostile: $(wildcard tests/hostile/*.c tests/hostile/*.h)
	@mkdir -p $(@D)
	@echo "  GUEST   $@"
	@$(CC) -std=gnu17 -O2 $(WARNINGS) $(WERROR) -ffreestanding -fno-stack-protector -fno-pie -fcf-protection=none -mno-red-zone \
		-mgeneral-regs-only -nostdlib -static -no-pie -Wl,-Ttext=0x1000000,--build-id=none -o $@ $(filter %.c,$^)

# A program that misbehaves in a sandbox.
$(BUILD)/tests/sandbox/hostile: $(wildcard tests/sandbox/*.c tests/sandbox/*.h)
	@mkdir -p $(@D)
	@echo "  TOOL    $@"
	@$(CC) -std=gnu17 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(WERROR) -pthread -static -o $@ $(filter %.c,$^)

C_FILES = $(shell git ls-files '*.c' '*.h')
SHELL_FILES = $(shell git ls-files '*.sh' '*.bash' .ci/run tests/testbed/run tests/testbed/shell)

check-format: ## is every C file formatted by .clang-format?
	@clang-format --dry-run -Werror $(C_FILES)

format: ## format every C file
	@clang-format -i $(C_FILES)

lint: ## clang-tidy, cppcheck, shellcheck and a clang build with warnings as errors
	@scripts/lint.sh $(BUILD)

SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined

# What of the suite does not compare what a container's process prints while it is still the sanitized program.
SANITIZED_SUITE = container refusals both exec exec_container operations network attacks descriptors landlock cli settings spec

sanitize: all guest $(TEST_TOOLS) ## the program, the unit tests and the suite of containers with AddressSanitizer and UndefinedBehaviorSanitizer
	@mkdir -p $(BUILD)/sanitize/tests
	@ln -sfn ../guest $(BUILD)/sanitize/guest
	@for tools in tools attack guest; do ln -sfn ../../tests/$$tools $(BUILD)/sanitize/tests/$$tools; done
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/sanitize CFLAGS="-O1 -g -fno-omit-frame-pointer $(SANITIZERS)" WERROR= sanitize-run

.PHONY: sanitize-run
sanitize-run: $(BUILD)/duet $(UNIT_TESTS)
	@for t in $(UNIT_TESTS); do echo "  RUN     $$t"; timeout 300 $$t >$$t.log 2>&1 || { cat $$t.log; exit 1; }; done
	@BUILD=$(CURDIR)/$(BUILD) bats $(SANITIZED_SUITE:%=tests/%.bats)
	@echo "sanitize: no finding"

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS    = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

fuzz: ## every libFuzzer target for FUZZ_SECONDS= (default 60), with AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/install-deps.sh fuzz
	@$(MAKE) --no-print-directory -j$(shell nproc) BUILD=$(BUILD)/fuzz CC="$(FUZZ_CC)" CFLAGS="$(FUZZ_FLAGS)" fuzz-programs
	@scripts/fuzz.sh $(BUILD)/fuzz/tests/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

FUZZ_CC ?= clang
# Whether they still compile is seen by everybody.
FUZZ_OBJECTS = $(FUZZ_TARGETS:%=$(BUILD)/obj/tests/fuzz/%.o)
# The monitor without its machine.
$(BUILD)/tests/fuzz/fuzz_monitor: LDFLAGS += -Wl,--wrap=vm_vsock,--wrap=vm_pause,--wrap=vm_balloon_ask

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%)

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(filter-out $(MAIN),$(OBJECTS))
	@mkdir -p $(@D)
	@echo "  FUZZ    $@"
	@$(COMPILE) -fsanitize=fuzzer $(shell pkg-config --cflags $(PACKAGES)) $(LDFLAGS) -o $@ $< $(filter-out $(MAIN),$(OBJECTS)) \
		$(LIBRARIES)

.PHONY: bench-sandbox
bench-sandbox: all $(BUILD)/tests/tools/overlay_exec ## the wall time of `duet sandbox -- true` beside bubblewrap's
	@scripts/install-deps.sh
	@scripts/bench-sandbox.sh $(BUILD)

.PHONY: bench-sandbox-testbed
bench-sandbox-testbed: all test-programs ## the same in the testbed, with cgroup v2, and beside systemd-run
	@tests/testbed/shell --init=systemd --with=bench --timeout=300 -- /duet/scripts/bench-sandbox.sh /duet/build 20

bench-start: all guest test-programs ## start-up of both walls against crun, runc, bubblewrap and QEMU, measured in turn
	@scripts/install-deps.sh
	@scripts/bench-start.sh $(BUILD)

bench-start-testbed: all guest test-programs ## the same in the testbed, where KVM has hardware support
	@tests/testbed/shell --with=bench --timeout=1500 $(if $(wildcard $(BUILD)/guest-baseline/vmlinux),--pack=$(BUILD)/guest-baseline/vmlinux) \
		-- env RUNS=$(or $(RUNS),10) VM_RUNS=$(or $(VM_RUNS),3) /duet/scripts/bench-start.sh /duet/build | tee $(BUILD)/bench-start-testbed.log
	@tail -n 1 $(BUILD)/bench-start-testbed.log >$(BUILD)/bench-start-testbed.json

.PHONY: bench-baseline
bench-baseline: ## the kernel that boots are measured against, for bench-start-testbed; takes as long as a kernel
	@scripts/bench-baseline.sh $(BUILD)/guest-baseline/vmlinux

.PHONY: bench-check
bench-check: all ## do the figures of `duet bench` agree with hyperfine and perf bench?
	@scripts/install-deps.sh bench-check
	@scripts/bench-check.sh $(BUILD)

.PHONY: bench-null-testbed
bench-null-testbed: all guest ## the null system call of one kernel, on the testbed's machine itself and in a micro-VM there
	@scripts/bench-null.sh $(BUILD)

.PHONY: profile-start bench-density
bench-density: all ## many containers alive at once: does it get slower? CONTAINERS= (default 1000)
	@scripts/bench-density.sh $(BUILD)

profile-start: all ## where the time of a start goes, by phase: RUNS= (default 50)
	@scripts/profile-start.sh $(BUILD)

.PHONY: bench-vm bench-vm-testbed
bench-vm: all guest test-programs $(BUILD)/guest-9p/vmlinux ## devices of a micro-VM in turn with QEMU's microvm machine: disk, files, network, memory
	@scripts/bench-vm.sh $(BUILD)

bench-vm-testbed: all guest test-programs $(BUILD)/guest-9p/vmlinux ## the same in the testbed, where KVM has hardware support
	@tests/testbed/shell --with=bench --timeout=1500 --pack=$(BUILD)/guest-9p/vmlinux -- env ROUNDS=$(or $(ROUNDS),3) /duet/scripts/bench-vm.sh /duet/build

soak: all guest test-programs ## many runs in a row, here and in the testbed: SOAK_RUNS= (default 200), SOAK_CONTAINER_RUNS= (10000)
	@SOAK_CONTAINER_RUNS=$(or $(SOAK_CONTAINER_RUNS),10000) bats tests/soak/runs.bats tests/soak/density.bats tests/soak/clones.bats \
		tests/soak/filters.bats tests/soak/sandbox.bats
	@KILLED_ROUNDS=300 bats tests/killed.bats
	@FS_RANDOM_COUNT=10000 FS_RANDOM_SEEDS="$(or $(SOAK_SEEDS),$(shell shuf -i 1-1000000 -n 50))" bats tests/files.bats
	@tests/testbed/run --timeout=3000 --test-timeout=2900 --env=SOAK_RUNS=$(or $(SOAK_RUNS),200) --env=SANDBOX_RUNS=100 tests/soak/runs.bats tests/soak/clones.bats tests/soak/filters.bats \
		tests/soak/sandbox.bats

install: all guest ## install the program, the guest's kernel and init, manual page and completions; DESTDIR= PREFIX=
	install -D -m 0755 $(BUILD)/duet $(DESTDIR)$(PREFIX)/bin/duet
	ln -sf duet $(DESTDIR)$(PREFIX)/bin/duet-microvm
	install -D -m 0644 $(BUILD)/guest/vmlinux $(DESTDIR)$(PREFIX)/lib/duet/vmlinux
	install -D -m 0644 $(BUILD)/guest/initrd.cpio $(DESTDIR)$(PREFIX)/lib/duet/initrd.cpio
	install -D -m 0755 $(BUILD)/guest/measure $(DESTDIR)$(PREFIX)/lib/duet/measure
	install -D -m 0755 $(BUILD)/guest/probe $(DESTDIR)$(PREFIX)/lib/duet/probe
	install -D -m 0644 $(BUILD)/duet.1 $(DESTDIR)$(PREFIX)/share/man/man1/duet.1
	install -D -m 0644 $(BUILD)/completion/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/duet
	install -D -m 0644 $(BUILD)/completion/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_duet
	install -D -m 0644 $(BUILD)/completion/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/duet.fish

clean: ## remove what was built here (the cached guest kernel stays)
	rm -rf $(BUILD)

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

-include $(OBJECTS:.o=.d) $(GUEST_OBJECTS:.o=.d) $(MEASURE_OBJECTS:.o=.d) $(PROBE_OBJECTS:.o=.d) $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.d) $(UNIT_TESTS:%=%.d)
