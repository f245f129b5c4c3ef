# SPDX-License-Identifier: GPL-2.0-only
#
# The front door: "make help" lists what there is. What kbuild reads is Kbuild,
# not this file.

KERNEL ?= 6.12
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
SOURCES = $(wildcard Kbuild Kconfig *.c *.h samples kunit bench torture)

CONFIGS := CONFIG_BGTOKEN=m CONFIG_BGCOMPILE=m CONFIG_SAMPLE_BGFILTER=m

# BTF of modules would need pahole; nothing here reads it.
CONFIGS += CONFIG_DEBUG_INFO_BTF_MODULES=

.PHONY: all
all: modules tool

.PHONY: help
help:
	@echo 'Targets:'
	@echo '  all       the modules and the user tool (plain "make" does this)'
	@echo '  demo      build all, boot a stock kernel in QEMU, show it at work'
	@echo '  check     build all, and run the tests in QEMU'
	@echo '  shell     a root shell in the virtual machine, everything loaded'
	@echo '  modules   bgtoken.ko, bgcompile.ko and bgfilter.ko, in build/KERNEL/'
	@echo '  tool      bgfilter, the user tool, in build/tool/'
	@echo '  setup     install what is missing, get the kernel; the others do it too'
	@echo '  clean     remove build/ (the kernels stay in the cache folder)'
	@echo 'Variables:'
	@echo '  KERNEL=   6.12 (default), 6.1, or 6.12-rt: Debian'"'"'s kernels'
	@echo '  KDIR=     build modules against this folder, with no set-up'
	@echo '  ACCEL=    kvm or tcg: do not try which of them works'
	@echo '  V=1 W=1 C=1   as kbuild has them'
	@echo 'tools/vm --help tells how to run any command in the virtual machine.'

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
	@+$(MAKE) $(quiet) --no-print-directory $(jobs) -C samples/bgfilter/tool O='$(TOOL_DIR)'

.PHONY: demo check
demo check: all
	@tools/$@

.PHONY: shell
shell: all
	@tools/vm --shell

.PHONY: clean
clean:
	rm -rf build
