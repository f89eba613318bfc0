# Goblin. `make help` lists the goals. One Makefile, one template per kind of program; everything built goes to out/.
# Which files belong to a program is decided here and nowhere else: no #if on ground, architecture or backend.
MAKEFLAGS += -rR
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/bash

CC := clang
CLANG_FORMAT := clang-format
OUT := out

# an unused parameter has no name, as in C23
WARN := -Wall -Wextra -Wno-c2x-extensions -Wconversion -Wno-sign-conversion -Wconditional-uninitialized -Wimplicit-fallthrough \
	-Wframe-larger-than=2048 -Wmissing-prototypes -Wvla -Werror
CFLAGS := -std=c17 -g -I. -I$(OUT)/gen $(WARN) -MMD -MP

# --- which files ---------------------------------------------------------------------------------------------------
# core: the same source files in the EFI program and in host programs (tests, fuzzers, tools)
CORE := $(filter-out base/mem.c,$(wildcard base/*.c)) $(wildcard io/*.c vm/*.c app/*.c dev/*.c dev/virtio/*.c boot/*.c console/*.c ns/*.c ninep/*.c)
# hal drivers reach devices through hal/pci.h and mapped registers only, so they too run against fakes on the host
HAL := $(wildcard hal/*.c)
EFI_C := base/mem.c $(wildcard cpu/svm/*.c cpu/ring3/*.c ground/efi/*.c arch/x86/*.c)
EFI_S := $(wildcard cpu/svm/*.S cpu/ring3/*.S ground/efi/*.S arch/x86/*.S)
FAKE := $(wildcard cpu/fake/*.c ground/fake/*.c)

# --- templates: $(call objects,KIND,FILES) names them, the rules below make them -------------------------------------
objects = $(patsubst %,$(OUT)/obj/$(1)/%.o,$(basename $(2)))

FREESTANDING := -ffreestanding -fno-stack-protector -mno-red-zone -mgeneral-regs-only -mno-stack-arg-probe \
	-fomit-frame-pointer
# a section for each function, and whose address counts: so that the linker keeps equal functions and equal data for unwinding once
efi_FLAGS := --target=x86_64-unknown-windows $(FREESTANDING) -O2 -ffunction-sections -faddrsig
# what guests never wait for is small rather than fast; the ground serves their exits and faults, too
SMALL := dev/acpi dev/pc dev/pci dev/power hal/acpi hal/disks hal/pci hal/ps2 hal/uart app/app app/boot
$(foreach d,boot console ground ns,$(OUT)/obj/efi/$d/%.o) $(SMALL:%=$(OUT)/obj/efi/%.o): efi_FLAGS += -Oz
$(patsubst %,$(OUT)/obj/efi/ground/efi/%.o,clock irq lapic pages): efi_FLAGS += -O2
host_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
fuzz_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
guest_FLAGS := --target=x86_64-unknown-elf $(FREESTANDING) -O2 -fno-pic -mcmodel=small

define object_rules
$(OUT)/obj/$(1)/%.o: %.c Makefile $(GEN)
	@mkdir -p $$(@D)
	$$(call say,cc $(1),$$<)$$(CC) $$(CFLAGS) $$($(1)_FLAGS) -MJ $$@.json -c $$< -o $$@
$(OUT)/obj/$(1)/%.o: %.S Makefile $(GEN)
	@mkdir -p $$(@D)
	$$(call say,as $(1),$$<)$$(CC) $$(CFLAGS) $$($(1)_FLAGS) -c $$< -o $$@
$(OUT)/obj/$(1)/%.o: $(OUT)/%.c Makefile
	@mkdir -p $$(@D)
	$$(call say,cc $(1),$$<)$$(CC) $$(CFLAGS) $$($(1)_FLAGS) -c $$< -o $$@
endef

# V=1 shows the commands
say = $(if $(V),,@printf '  %-9s %s\n' '$(1)' '$(2)';)

# parts may add generated files to GEN and goals of their own
GEN :=
include $(wildcard mk/*.mk)
$(foreach kind,efi host fuzz guest,$(eval $(call object_rules,$(kind))))

# --- programs ------------------------------------------------------------------------------------------------------
EFI := $(OUT)/BOOTX64.EFI
all: $(EFI) ## build the EFI program, out/BOOTX64.EFI

$(EFI): $(call objects,efi,$(CORE) $(HAL) $(EFI_C) $(EFI_S)) $(call objects,efi,$(GEN_C))
	$(call say,link,$@)lld-link /subsystem:efi_application /entry:efi_main /nodefaultlib /debug:dwarf \
		/opt:ref,safeicf /out:$(OUT)/goblin.debug.efi $^
	$(if $(V),,@)llvm-objcopy --strip-all $(OUT)/goblin.debug.efi $@

# host library: tests and fuzzers pull from it what they use
LIB_C := $(CORE) $(HAL) $(FAKE) $(NINEP_C) $(GEN_C)
define archive_rule
$(OUT)/libcore-$(1).a: $(call objects,$(1),$(LIB_C))
	$$(call say,ar,$$@)rm -f $$@; llvm-ar rcs $$@ $$^
endef
$(foreach kind,host fuzz,$(eval $(call archive_rule,$(kind))))

UNIT := $(patsubst test/unit/%.c,$(OUT)/unit/%,$(wildcard test/unit/test_*.c))
$(OUT)/unit/%: $(OUT)/obj/host/test/unit/%.o $(OUT)/libcore-host.a
	@mkdir -p $(@D)
	$(call say,link,$@)$(CC) $(host_FLAGS) $^ -lcmocka $(LIBS) -o $@
$(OUT)/unit/test_insn $(OUT)/unit/test_code: LIBS := -lZydis

FUZZ := $(patsubst test/fuzz/%.c,$(OUT)/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
$(OUT)/fuzz/%: $(OUT)/obj/fuzz/test/fuzz/%.o $(OUT)/libcore-fuzz.a
	@mkdir -p $(@D)
	$(call say,link,$@)$(CC) $(fuzz_FLAGS) -fsanitize=fuzzer $^ -o $@

# --- goals ---------------------------------------------------------------------------------------------------------
unit: $(UNIT) ## run the unit tests on this host, with ASan and UBSan
	@OUT=$(OUT) mk/run-unit $(UNIT)

fuzz: $(FUZZ) ## run each fuzzer for FUZZ_SECONDS (an hour)
	@OUT=$(OUT) mk/fuzz $(or $(FUZZ_SECONDS),3600) $(FUZZ)

unit_programs: $(UNIT)
fuzz_programs: $(FUZZ)

layers: ## check who includes whom
	@mk/layers

fmt: ## format the C code
	git ls-files '*.c' '*.h' | xargs $(CLANG_FORMAT) -i

clean: ## remove everything built
	rm -rf $(OUT) compile_commands.json

compile_commands.json: all
	(echo '['; find $(OUT)/obj/efi -name '*.json' -exec cat {} + | sed '$$s/,$$//'; echo ']') >$@

help: ## list the goals
	@grep -hE '^[a-z_.]+:.*## ' Makefile mk/*.mk | sed -E 's/^([a-z_.]+):.*## /\1\t/' | sort | expand -t 18

.PHONY: all unit fuzz unit_programs fuzz_programs layers fmt clean help
-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
