# The front door. Every target first makes sure that the tools are there (tools/deps), builds only
# what has changed, and leaves everything under build/ but packages (repo/) and what the benchmarks last
# counted (bench/results.json).

CONFIG ?= default
MEM ?= 512
CPUS ?= 1
QEMUFLAGS ?=
# Packages for a second disk, from which `pkg install` takes them.
REPO ?=
# Not by itself: there are machines where /dev/kvm opens and nothing runs.
KVM ?=
SECONDS ?= 60

ARCH := x86_64
HOST := build/host/debug
IMAGE := build/$(ARCH)/$(basename $(notdir $(CONFIG)))/harddrive.img
INITFS := build/$(ARCH)/initfs
KERNEL := build/target/kernel/x86_64-unknown-none/release/kernel
LOADER := build/target/uefi/x86_64-unknown-uefi/release/bootloader.efi
PROGRAMS := build/programs
PROBE := build/tests/boot-probe

HOST_CARGO := tools/host-cargo
GUEST_CARGO := tools/guest-cargo
RUNNER = eval "$$(tools/ovmf)" && $(HOST)/test-runner --kernel $(KERNEL) --binaries $(PROGRAMS) \
	--ovmf-code "$$CODE" --ovmf-vars "$$VARS"

# What somebody has set for cargo is for programs of their own: the rules name what is in build/.
unexport CARGO_TARGET_DIR CARGO_BUILD_TARGET CARGO_BUILD_BUILD_DIR RUSTC_WRAPPER

# Which halves of the system this tree holds: the kernel is built where it is.
HAS_KERNEL := $(wildcard kernel/Cargo.toml)

comma := ,

# Short lines say what is being done; V=1 shows the commands.
Q := $(if $(V),,@)
say = @if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$(1)"; else echo "$(1)"; fi

.PHONY: help deps all qemu test soak bench check fuzz tools kernel loader programs test-programs sysroot c-programs initfs probe ports test-ports test-sqlite3 test-image test-exec test-readme test-crates
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo 'make all     build packages and the disk image $(IMAGE)'
	@echo 'make qemu    boot it in QEMU, console on this terminal (Ctrl-A X leaves)'
	@echo '             CONFIG=$(CONFIG) MEM=$(MEM) (MiB) CPUS=$(CPUS) QEMUFLAGS= KVM=1'
	@echo '             REPO="lua sd" puts packages on a second disk, for pkg install'
	@echo 'make test    on this host, then in QEMU, all but the long ones below; SUITES="name..." for some of'
	@echo '             the latter alone'
	@echo 'make test-ports  the ports alone: their packages, and their tests in the guest'
	@echo 'make test-crates  tests of published crates in the guest (long)'
	@echo 'make test-sqlite3  the tests in Tcl of SQLite, in the guest (long)'
	@echo 'make soak    a million paths beside Linux, a million opens while daemons are killed,'
	@echo '             a thousand power cuts, a greedy user (long)'
	@echo 'make sysroot build/sysroot: the C library and headers for tools/guest-cargo std and tools/guest-cc'
	@echo 'make bench   instructions per operation, compared with bench/baseline.json'
	@echo 'make check   before a commit: formatting, clippy, tests on this host'
	@echo 'make fuzz    every fuzz target for SECONDS=$(SECONDS) each'
	@echo 'make deps    install the build tools that are missing (every target does so)'
	@echo 'V=1 shows commands.'

deps:
	@tools/deps

tools: deps
	$(call say,host tools)
	$(Q)$(HOST_CARGO) build --quiet -p image -p test-runner -p cook

kernel: deps
ifneq ($(HAS_KERNEL),)
	$(call say,kernel)
	$(Q)$(GUEST_CARGO) kernel build --quiet --release -p kernel
else
	@echo 'make: kernel/ is missing from this tree' >&2; exit 1
endif

loader: deps
	$(call say,loader)
	$(Q)$(GUEST_CARGO) uefi build --quiet --release -p bootloader

# Guest programs of the initial file system; nothing to build is not an error.
programs: tools
	$(Q)packages=$$($(HOST)/mkimage initfs packages config/initfs.toml) && \
	if [ -n "$$packages" ]; then echo "guest programs" && tools/guest-programs $$packages; fi

test-programs: tools
	$(Q)packages=$$($(HOST)/test-runner packages) && \
	if [ -n "$$packages" ]; then echo "guest programs and tests" && tools/guest-programs $$packages; fi

# The C library and headers that ordinary programs are built with.
sysroot: tools
	$(call say,C library)
	$(Q)tools/make-sysroot --quiet
	$(Q)tools/check-symbols

# Test programs in C; those with std are packages like the others.
c-programs: sysroot
	$(call say,programs in C)
	$(Q)mkdir -p build/tests
	$(Q)tools/guest-cc -O2 -Wall -Wextra -Werror -s $(filter-out tests/guest/c/terminal.c,$(wildcard tests/guest/c/*.c)) -lm -o build/tests/test-c
	$(Q)tools/guest-cc -std=gnu11 -O1 -fno-builtin -frounding-math -ffp-contract=off -Wall -Wextra -Werror -s tests/guest/c/conform/*.c -lm -o build/tests/test-conform
	$(Q)tools/guest-cc -O2 -Wall -Wextra -Werror -s tests/guest/c/terminal.c tests/guest/c/test.c -o build/tests/test-terminal

initfs: programs
	$(Q)mkdir -p $(dir $(INITFS))
	$(Q)$(HOST)/mkimage initfs build -o $(INITFS) -b $(PROGRAMS) config/initfs.toml

# Packages, and the disk that they are installed on; cook decides what has changed.
all: deps
	$(Q)./cook image $(CONFIG)

qemu: all
	$(Q)$(if $(REPO),./cook repo $(REPO))
	$(Q)eval "$$(tools/ovmf)" && vars=$$(mktemp) && trap 'rm -f "$$vars"' EXIT INT TERM && cp "$$VARS" "$$vars" && \
	qemu-system-x86_64 -machine q35 -accel $(if $(filter-out 0,$(KVM)),kvm,tcg) -cpu max -m $(MEM)M -smp $(CPUS) -nographic -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive if=pflash,format=raw,readonly=on,file="$$CODE" -drive if=pflash,format=raw,file="$$vars" \
		-drive if=none,id=disk,format=raw,file=$(IMAGE) -device virtio-blk-pci,drive=disk \
		$(if $(REPO),-drive if=none$(comma)id=repo$(comma)format=raw$(comma)readonly=on$(comma)file=build/$(ARCH)/repo.img -device virtio-blk-pci$(comma)drive=repo) \
		$(QEMUFLAGS)

# The boot probe: a kernel of our own that only checks what the loader hands over.
PROBE_FLAGS := --target=x86_64-unknown-none-elf -ffreestanding -fno-stack-protector -mno-red-zone \
	-mgeneral-regs-only -mcmodel=kernel -fno-pic -O2 -Wall -Wextra -Werror

probe: loader tools
	$(Q)mkdir -p build/tests
	$(Q)clang $(PROBE_FLAGS) -c tests/boot-probe/probe.c -o $(PROBE).o
	$(Q)ld.lld -T tests/boot-probe/probe.ld $(PROBE).o -o $(PROBE)
	$(Q)head -c 3000000 /dev/zero | tr '\0' '\n' | awk '{printf "%c", 65 + (NR - 1) % 26}' >$(PROBE).initfs
	$(Q)$(HOST)/mkimage disk -o $(PROBE).img -c tests/boot-probe/image.toml -l $(LOADER) \
		$(PROBE)=/boot/kernel $(PROBE).initfs=/boot/initfs

test: deps
ifeq ($(SUITES),)
	$(call say,tests on this host)
	$(Q)$(HOST_CARGO) test --quiet --workspace --all-features
	$(Q)$(MAKE) --no-print-directory --silent test-exec test-readme
endif
	$(Q)$(MAKE) --no-print-directory --silent probe test-programs c-programs $(if $(HAS_KERNEL),kernel)
ifneq ($(filter image,$(or $(SUITES),image)),)
	$(Q)./cook image base && ./cook repo lua
endif
ifneq ($(filter ports%,$(or $(SUITES),ports)),)
	$(Q)$(MAKE) --no-print-directory ports
endif
ifneq ($(filter ports-tcl,$(SUITES)),)
	$(Q)./cook cook tcl
endif
	$(call say,tests in QEMU)
	$(Q)$(RUNNER) test $(SUITES)

# The disk image under firmware: logging in, and what is there after a reboot.
test-image:
	$(Q)$(MAKE) --no-print-directory test SUITES=image

# Commands in the guest, as `cook exec` runs them.
test-exec: tools sysroot
	$(call say,tests of cook exec)
	$(Q)tests/exec/run

# What README.md shows of a terminal is typed, and has to come out as it is shown there.
test-readme: tools all
	$(call say,what README.md shows)
	$(Q)$(RUNNER) readme README.md

# Long: published crates' own tests in the guest, and the table of docs/crates.md. CRATES names some of them, whose
# rows are written anew; AGAIN=1 judges what the last run said, when reasons were added to the table. Of a suite in
# parts, REST=1 runs what the last run did not come to, and ONLY names beginnings of tests to be run once more.
test-crates: tools
	$(call say,published crates in the guest)
	$(Q)$(RUNNER) crates $(if $(AGAIN),--again) $(if $(REST),--rest) $(ONLY:%=--only %) $(CRATES)

# Long: a million random paths and renames, on this host; a million opens while daemons are killed; the power
# goes a thousand times; one user takes all of everything that it gets.
soak: deps test-programs c-programs kernel
	$(call say,a million paths beside this host)
	$(Q)CASES=1000000 RACES=200000 $(HOST_CARGO) test --quiet -p cwd-cap --test differential --test races -- --nocapture
	$(call say,soak test in QEMU)
	$(Q)$(RUNNER) test soak-full power-cut-full greedy

# Of programs of others those that only suites on request test: `make test` does not build them.
PORTS_ON_REQUEST := sqlite3-tests tcl

# Packages of programs of others; `make test` has their tests, and this is those alone.
ports: deps
	$(call say,ports)
	$(Q)./cook cook $(filter-out $(PORTS_ON_REQUEST),$(notdir $(patsubst %/recipe.toml,%,$(wildcard recipes/ports/*/recipe.toml))))

test-ports:
	$(Q)$(MAKE) --no-print-directory test SUITES='$(shell sed -n 's/^name = "\(.*\)"/\1/p' tests/ports/suites.toml)'

# Long: SQLite's tests in Tcl. `tools/ports-table sqlite3` writes into docs/ports.md what they came to.
test-sqlite3: deps
	$(Q)./cook cook coreutils dash sqlite3-tests
	$(Q)$(MAKE) --no-print-directory test SUITES='$(shell sed -n 's/^name = "\(.*\)"/\1/p' tests/ports/sqlite3-tests.toml)'

bench: deps test-programs kernel
	$(call say,benchmarks in QEMU, counting instructions)
	$(Q)$(RUNNER) bench

check: sysroot
	$(call say,formatting)
	$(Q)tools/format --check
	$(call say,clippy)
	$(Q)$(HOST_CARGO) clippy --quiet --workspace --all-features --all-targets -- -D warnings
	$(Q)tools/clippy-guest
	$(call say,tests on this host)
	$(Q)$(HOST_CARGO) test --quiet --workspace --all-features

fuzz: deps
	$(Q)tools/fuzz $(SECONDS)
