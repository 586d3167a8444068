# SPDX-License-Identifier: GPL-2.0
#
# Without KDIR, everything runs in the toolchain root for the kernels in the cache. With KDIR=..., the plain conventions of an
# out-of-tree module: a build in place for that kernel.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

nproc := $(shell nproc)
shared := $(wildcard $(CURDIR)/../shared)
toolbox := scripts/toolbox $(if $(shared),--share $(shared))
cargo := $(toolbox) cargo
target := x86_64-unknown-linux-gnu
bench_host := build/cargo/release/quarry-bench-host

# kbuild KERNEL TARGET: the module for one of the kernels in the cache, in a directory of its own, by one caller at a time.
kbuild = mkdir -p build/$(1) && exec flock build/$(1).lock $(toolbox) make --no-print-directory -C "$$(scripts/kdir $(1))" M=$(CURDIR) MO=$(CURDIR)/build/$(1) -j$(nproc) \
	$(if $(filter debug,$(1)),LLVM=1) KBUILD_EXTRA_SYMBOLS= $(2)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: setup modules tools ## boot the stock kernel in QEMU, load quarry, replay, stress, show its stats, unload
	@scripts/demo

.PHONY: check
check: ## all tests, on the host and in guests with both kernels
	@scripts/check

.PHONY: bench
bench: setup modules tools ## both arms of every work beside each other: tables, build/bench.json
	@scripts/bench table

.PHONY: bench-repeat
bench-repeat: modules tools ## count instructions twice, and fail if two medians differ
	@scripts/bench repeat

.PHONY: bench-doc
bench-doc: ## put the tables of the last make bench into Documentation/benchmarks.rst
	@scripts/bench doc

.PHONY: bench-presets
bench-presets: modules tools ## count what the presets cost, and put the table into Documentation/hardening.rst
	@scripts/bench presets

.PHONY: bench-gate
bench-gate: modules tools ## fail if instructions are worse than expected by more than 2 %, or hardened costs over 1.5 times fast
	@scripts/bench gate

.PHONY: bench-accept
bench-accept: modules tools ## take today's instructions as tests/bench/expected.json
	@scripts/bench accept

.PHONY: bench-host
bench-host: ## the policy code on the host, beside crates for the same job: tables, build/bench-host.json
	@$(cargo) build --release --manifest-path tools/Cargo.toml -p quarry-bench-host
	@$(toolbox) $(bench_host) run --output build/bench-host.json

.PHONY: bench-host-doc
bench-host-doc: ## put the tables of the last make bench-host into Documentation/benchmarks-host.rst
	@if [ ! -e build/bench-host.json ]; then echo "quarry: there is no build/bench-host.json; run make bench-host first" >&2; exit 1; fi
	@$(toolbox) $(bench_host) rst build/bench-host.json --page Documentation/benchmarks-host.rst

.PHONY: probes-doc
probes-doc: ## put the table of misuses of the last guest test into Documentation/misuses.rst
	@scripts/probes-doc put build/test/misuses-stock.rst

.PHONY: doctor
doctor: ## say what of all this would work here, and what to do about the rest; changes nothing
	@scripts/doctor

.PHONY: setup
setup: ## toolchain root, stock kernel
	@scripts/setup stock

.PHONY: prune
prune: ## remove from the cache what this version of the tree does not use
	@scripts/prune

.PHONY: kdir
kdir: ## print the build directory of the stock kernel, as seen inside the toolchain root
	@scripts/kdir stock

ifdef KDIR

.PHONY: modules modules_install clean clippy rust-analyzer
modules modules_install rust-analyzer:
	$(MAKE) -C $(KDIR) M=$(CURDIR) $@
clippy:
	$(MAKE) -C $(KDIR) M=$(CURDIR) CLIPPY=1 modules
clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build

else

.PHONY: modules
modules: in-place ## build/stock/quarry.ko; with KDIR=...: quarry.ko in place, for that kernel
	@$(call kbuild,stock,modules)

.PHONY: modules-debug
modules-debug: in-place ## build/debug/quarry.ko, for the debug kernel
	@$(call kbuild,debug,modules)

.PHONY: modules_install
modules_install: modules ## install below INSTALL_MOD_PATH; with KDIR=...: for that kernel
	@$(if $(INSTALL_MOD_PATH),,$(error modules_install: set INSTALL_MOD_PATH, or KDIR for the kernel that runs here))
	@mkdir -p $(INSTALL_MOD_PATH)
	@install -D -m 644 build/stock/quarry.ko "$(INSTALL_MOD_PATH)/lib/modules/$$(cat "$$(scripts/kdir stock)/include/config/kernel.release")/updates/quarry.ko"

.PHONY: clippy
clippy: in-place ## the kernel's lints on the module, cargo's on the tools; a warning is an error
	@rm -f build/clippy/rust/*.o
	@$(subst build/stock,build/clippy,$(call kbuild,stock,CLIPPY=1 W=1e modules))
	@$(if $(wildcard tools/Cargo.toml),$(cargo) clippy --manifest-path tools/Cargo.toml --workspace --all-targets -- -D warnings)

.PHONY: rust-analyzer
rust-analyzer: in-place ## rust-project.json for editors
	@$(call kbuild,stock,rust-analyzer)
	@scripts/rust-analyzer

.PHONY: clean
clean: ## remove what was built here; the cache stays
	@rm -rf build rust-project.json
	@find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name '*.d' -o -name 'Module.symvers' -o -name modules.order -o -name bindings_generated.rs \) -type f -exec rm -f {} +

# Make would take objects of a build in place for those of the build directories.
.PHONY: in-place
in-place:
	@if [ -e rust/quarry.o ]; then echo "quarry: there is a build in place (KDIR=...); run make clean first" >&2; exit 1; fi

endif

.PHONY: stack
stack: ## list the functions of build/stock/quarry.ko with large stack frames
	@scripts/stack

rust_files = $(shell find rust tools samples -name '*.rs' ! -name '*_generated.rs' ! -path '*/target/*' 2>/dev/null)

.PHONY: rustfmt
rustfmt: ## format every Rust file
	@$(toolbox) rustfmt --config-path .rustfmt.toml $(rust_files)

.PHONY: rustfmtcheck
rustfmtcheck: ## say which Rust files are not formatted
	@$(toolbox) rustfmt --config-path .rustfmt.toml --check $(rust_files)

.PHONY: tools
tools: ## build/bin/quarry, the command line, and quarry-bench, as static binaries
	@CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static' \
		$(cargo) build --release --target $(target) --manifest-path tools/Cargo.toml
	@install -D -t build/bin build/cargo/$(target)/release/quarry build/cargo/$(target)/release/quarry-bench

.PHONY: host-test
host-test: ## the tests that need no kernel
	@$(cargo) test --workspace --manifest-path tools/Cargo.toml

.PHONY: fuzz
fuzz: ## libFuzzer on policy code and parsers, on the host; TARGET=zone for one, SECONDS=60 for each
	@QUARRY_FUZZ_TARGET='$(TARGET)' QUARRY_FUZZ_SECONDS='$(SECONDS)' $(toolbox) scripts/fuzz run

.PHONY: fuzz-corpus
fuzz-corpus: ## put what make fuzz found to be of use into tools/fuzz/corpus, made small; TARGET=zone for one
	@QUARRY_FUZZ_TARGET='$(TARGET)' $(toolbox) scripts/fuzz corpus

.PHONY: script-test
script-test: ## the tests of the scripts: that what must fail does
	@$(toolbox) scripts/selftest

.PHONY: samples
samples: modules modules-debug ## what is in samples/: modules in C and in Rust, and build/bin/first, a program on the raw ioctls
	@scripts/external stock samples/rust sample-rust
	@scripts/external debug samples/rust sample-rust
	@mkdir -p build/bin
	@$(toolbox) cc -static -Wall -Wextra -Werror -O2 -I include/uapi -o build/bin/first samples/ioctl/first.c

.PHONY: consumers
consumers: modules modules-debug ## tests of the kernel's own, built to allocate from quarry
	@scripts/consumers stock
	@scripts/consumers debug

.PHONY: soak
soak: setup modules modules-debug tools ## what takes hours: contexts, all kinds of load, calls at random, faults; ONLY=fuzz for some
	@MATRIX=tests/guest/soak scripts/guest-tests $(ONLY)

.PHONY: guest-test
guest-test: consumers samples ## the tests in guests, of tests/guest/matrix; ONLY=NAME for those whose name matches
	@scripts/guest-tests $(ONLY)
