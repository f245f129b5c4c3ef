# SPDX-License-Identifier: GPL-2.0-only
#
# The front door: "make help" lists what there is. What kbuild reads is Kbuild,
# not this file.

# The first that the list has. The suites in a kernel tree, and demo-unplug, have a default of
# their own.
kernel_default := $(shell sed -n '/^[^\#]/{s/[[:space:]].*//p;q}' tools/kernels)
ifeq ($(origin KERNEL),undefined)
kunit bench-native demo-unplug: export KERNEL :=
endif
KERNEL ?= $(kernel_default)
export KERNEL

# A folder to build modules against, instead of the set-up's, for example
# KDIR=/lib/modules/$(uname -r)/build.
KDIR ?=

# Where the modules of one kernel are built, and where the user tool is.
ifeq ($(KDIR),)
KBUILD_DIR := $(CURDIR)/build/$(KERNEL)
else
KBUILD_DIR := $(CURDIR)/build/$(notdir $(or $(shell cat '$(KDIR)/include/config/kernel.release' 2>/dev/null),kdir))
endif
TOOL_DIR := $(CURDIR)/build/tool

ifneq ($(words $(CURDIR)),1)
$(error kbuild cannot build in a folder with a space in its name: $(CURDIR))
endif

V ?= 0
ifeq ($(V),0)
quiet := -s
endif

# As many jobs as there are CPUs, unless the caller gave a number.
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# The sources are linked into the folder of each kernel, so that several are
# built side by side and the source tree stays clean. Folders that are not
# here yet do no harm.
SOURCES = $(wildcard Kbuild Kconfig *.c *.h Documentation samples kunit bench patterns torture)

CONFIGS := CONFIG_BGTOKEN=m CONFIG_BGCOMPILE=m CONFIG_SAMPLE_BGFILTER=m CONFIG_SAMPLE_BGEDU=m

# The suites, where the kernel has KUnit.
ifneq ($(KDIR),)
ifneq ($(shell grep -s '^CONFIG_KUNIT=' '$(KDIR)/include/config/auto.conf'),)
CONFIGS += CONFIG_BGTOKEN_KUNIT_TEST=m
endif
endif

# What has bugs is built for those who look for them.
CONFIGS += $(if $(PATTERNS),CONFIG_BGTOKEN_PATTERNS=m)

# BTF of modules would need pahole; nothing here reads it.
CONFIGS += CONFIG_DEBUG_INFO_BTF_MODULES=

.PHONY: all
all: modules tool

.PHONY: help
help:
	@echo 'Targets:'
	@echo '  all       the modules and the user tools (plain "make" does this)'
	@echo '  demo      build everything, boot a stock kernel in QEMU, show it at work'
	@echo '  demo-unplug   unplug a device in use, through QEMU and sysfs, hundreds of times'
	@echo '  patterns  public bugs, before and after: what the debug kernel says about each'
	@echo '  conversions   kernel drivers, before and after semantic patches that use bgtoken'
	@echo '  check     the KUnit suites, in QEMU, on a kernel with KASAN, lockdep, kmemleak'
	@echo '  check-kcsan   the same on a kernel that looks for data races'
	@echo '  check-arm64   the same on arm64, cross-compiled and emulated'
	@echo '  check-rt      the same on a real-time kernel; and on a stock one: the demo,'
	@echo '                load/unload, tokens under load'
	@echo '  check-demo    the demo, bad input, and unplugging a device, on a stock kernel'
	@echo '  check-cpus    tokens under load on machines with 16 and 64 CPUs, for the counts'
	@echo '  check-deb     build, install, purge the Debian packages, in Debian 12 and 13 roots'
	@echo '  check-recipes the recipes of Documentation/tracing.rst, on a stock kernel'
	@echo '  check-tree    build in kernel source trees, as modules and built in, for arm64, too'
	@echo '  check-install build and insert an external module as installed, on a stock kernel'
	@echo '  torture   threads that use tokens in many ways at once, and check the promises'
	@echo '  failures  each allocation fails once, while modules are inserted and samples used'
	@echo '  fuzz      a million random calls to the device of each sample; takes hours'
	@echo '  reload    insert and remove the modules a thousand times, while they are at work'
	@echo '  check-all     every check there is, on every kernel it applies to, in one table'
	@echo '  check-harness   plant one fault at a time: does "check" catch it?'
	@echo '  mutants   change one thing in the library at a time: does a test notice? Takes hours'
	@echo '  kunit     the suites on User-Mode Linux, with kunit.py: the inner loop'
	@echo '  find      places in a kernel tree, TREE=, that look like some of the bugs in patterns/'
	@echo '  litmus    each barrier, as it is and weakened, under the kernel'"'"'s memory model'
	@echo '  model     tokens, works and compile queues: every state, checked by Spin'
	@echo '  lint      run every checker there is on the sources'
	@echo '  docs      the documentation as web pages, in build/docs/'
	@echo '  coverage  which lines and branches the tests cover: a report in build/coverage/'
	@echo '  bench     measure the library against the alternatives, in QEMU: tables and plots'
	@echo '  bench-icount  scopes, cancels, tails, tokens, closes and filters, in instructions'
	@echo '  bench-native  the benchmark directly on the CPUs, in User-Mode Linux'
	@echo '  bench-quick   run through the benchmark once, to see that it works'
	@echo '  shell     a root shell in the virtual machine, everything loaded'
	@echo '  modules   bgtoken.ko, bgcompile.ko and the samples, in build/KERNEL/'
	@echo '  deb       Debian packages, in build/deb/: DKMS, headers, and the tool of the sample'
	@echo '  tree      add the library to the kernel source tree KSRC=; REMOVE=1 removes it'
	@echo '  series    the patch series for the kernel, in build/series/'
	@echo '  install, uninstall   the modules for the running kernel, and headers; as root'
	@echo '  tool      the user tools of the samples and of their tests, in build/tool/'
	@echo '  setup     install what is missing, get the kernel; the other targets do this too'
	@echo '  clean     remove build/ (the kernels stay in the cache folder)'
	@echo 'Variables:'
	@echo '  KERNEL=   $(shell bash -c '. tools/lib/lib.sh; echo "$$BG_STOCK_KERNELS"'): Debian'"'"'s'
	@echo '            (the checks use those named by tools/check --help and the like)'
	@echo '  FILTER=   check, check-kcsan, kunit: only the suites that match, as in kunit.py'
	@echo '  REPEAT= LOAD=   check, check-...: number of runs, and of busy loops beside them'
	@echo '  AT_ONCE=  check, check-... with REPEAT=; patterns, conversions: machines at a time'
	@echo '  ROUNDS=   demo-unplug, patterns, conversions, reload: how often'
	@echo '  SAMPLE=   patterns: one in how many of the bugs is run (default 1: all)'
	@echo '  CALLS=    fuzz: how many (default 1000000)'
	@echo '  DEBUG=1   demo-unplug: on a kernel with KASAN, lockdep, kmemleak, which must find nothing'
	@echo '  MINUTES=  torture: how long (default 1)'
	@echo '  QUICK=1   model: the smaller sizes only'
	@echo '  TREE=     find: folders or files (default: drivers, net, sound of KERNEL'"'"'s source)'
	@echo '  DESTDIR=  install, uninstall: do so below this folder'
	@echo '  KDIR=     build modules against this folder, without set-up'
	@echo '  ACCEL=    kvm or tcg: do not probe which of them works'
	@echo '  V=1 W=1 C=1   as in kbuild'
	@echo 'tools/vm --help explains how to run any command in the virtual machine.'

.PHONY: setup
setup:
	@tools/setup

# ln -n and the prune make this do nothing when nothing was added or removed.
.PHONY: sources
sources:
	@mkdir -p '$(KBUILD_DIR)'
	@find '$(KBUILD_DIR)' -xtype l -delete
	@cp -rsn $(addprefix '$(CURDIR)'/,$(SOURCES)) '$(KBUILD_DIR)/'

.PHONY: modules
modules: sources $(if $(KDIR),,setup)
	@+kdir='$(KDIR)'; \
	: "$${kdir:=$$(tools/setup --print kdir)}"; \
	[ -n "$$kdir" ] && \
	$(MAKE) $(quiet) --no-print-directory $(jobs) -C "$$kdir" \
		M='$(KBUILD_DIR)' $(CONFIGS) modules

.PHONY: tool
tool: $(if $(KDIR),,setup)
	@+for tool in samples/*/tool samples/*/test; do \
		$(MAKE) $(quiet) --no-print-directory $(jobs) -C $$tool O='$(TOOL_DIR)' || exit; \
	done

.PHONY: demo
demo: all
	@tools/demo

.PHONY: demo-unplug
demo-unplug:
	@+tools/unplug --rounds $(or $(ROUNDS),200) $(if $(DEBUG),--debug)

.PHONY: patterns
patterns:
	@+tools/patterns --rounds $(or $(ROUNDS),1000) --sample $(or $(SAMPLE),1)

.PHONY: conversions
conversions:
	@+tools/conversions --rounds $(or $(ROUNDS),200)

# These build what they need themselves, against kernels of their own.
.PHONY: check check-kcsan check-arm64 check-rt check-demo check-cpus check-install check-deb check-recipes check-tree torture failures fuzz reload check-all check-harness mutants kunit
check:
	@+tools/check debug
check-kcsan check-arm64:
	@+tools/check $(@:check-%=%)
check-rt:
	@+status=0; \
	tools/check rt || status=1; \
	tools/check-stock rt || status=1; \
	exit $$status
check-demo:
	@+tools/check-stock demo
check-cpus:
	@+tools/check-stock cpus
check-install:
	@+tools/check-install
check-deb check-recipes check-tree:
	@+tools/$@
torture:
	@+tools/torture
failures:
	@+tools/check debug --suite bgfilter_failures --failures 0
fuzz:
	@+tools/check debug --suite '*_fuzz' --calls $(or $(CALLS),1000000)
reload:
	@+tools/check debug --suite bgfilter_reload --reloads $(or $(ROUNDS),1000)
check-all:
	@+tools/check-all
check-harness:
	@+tools/check-harness
mutants:
	@+tools/mutants
kunit:
	@+tools/kunit

# Needs no kernel to run on, nor anything that is built.
.PHONY: find
find:
	@tools/find $(TREE)

.PHONY: lint docs litmus model coverage
lint docs litmus coverage:
	@tools/$@
model:
	@tools/model $(if $(QUICK),--quick)

# The benchmark is built only where it is asked for.
.PHONY: bench bench-icount bench-quick
bench bench-icount bench-quick: CONFIGS += CONFIG_BGTOKEN_BENCH=m
bench: all
	@tools/bench
bench-icount: all
	@tools/bench --icount
bench-quick: all
	@tools/bench --quick
.PHONY: bench-native
bench-native:
	@+tools/bench --native

.PHONY: shell
shell: all
	@tools/vm --shell

# Into the system, as root: DESTDIR= has it elsewhere.
.PHONY: install uninstall
install:
	@+tools/install
uninstall:
	@tools/install --remove

.PHONY: deb
deb:
	@tools/deb

.PHONY: clean
clean:
	rm -rf build

.PHONY: tree
tree:
	@tools/tree $(if $(REMOVE),--remove) '$(KSRC)'

.PHONY: series
series:
	@tools/series
