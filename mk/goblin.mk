# The goblin command for Linux: the monitor of app guests on /dev/kvm, with the library OS inside.
LIBOS_C := $(wildcard libos/*.c) base/fmt.c base/utf.c base/str.c base/mem.c base/chacha.c ninep/msg.c ninep/client.c ninep/errno.c
LIBOS_S := libos/entry.S libos/vdso/image.S
TOOL_C := $(wildcard tools/*.c cpu/kvm/*.c ground/linux/*.c) base/str.c base/fmt.c base/utf.c base/err.c \
	ninep/msg.c ninep/errno.c ninep/server.c ninep/tree.c base/crc.c boot/appimage.c libos/elf.c \
	ninep/client.c ns/vm.c app/calls.c app/channel.c app/record.c
TOOL_S := tools/libos.S tools/new/texts.S tools/template/drivers.S
UAPI := -idirafter /usr/include/x86_64-linux-gnu # Linux' own headers for programs: <asm/...> lies there on Debian
libos_FLAGS := --target=x86_64-unknown-elf $(FREESTANDING) -O2 -fno-pic -mcmodel=small -ffunction-sections -fdata-sections \
	-fno-delete-null-pointer-checks $(UAPI)
# With musl: the GNU C library asks the CPU about itself some 60 times before main(), which takes longer than all else of a start where the machine is a
# virtual one. Linux' own headers are the system's.
MUSL := /usr/lib/x86_64-linux-musl
tool_FLAGS := --target=x86_64-linux-musl -O2 -fPIE -nostdlibinc -isystem /usr/include/x86_64-linux-musl -idirafter /usr/include $(UAPI)
vdso_FLAGS := --target=x86_64-unknown-elf $(FREESTANDING) -O2 -fpic $(UAPI)

$(foreach kind,libos tool vdso,$(eval $(call object_rules,$(kind))))

$(OUT)/vdso.so: $(call objects,vdso,libos/vdso/vdso.c) libos/vdso/vdso.ld
	$(call say,link,$@)ld.lld -shared -soname linux-vdso.so.1 --hash-style=both -z max-page-size=4096 -z rodynamic -z nognustack --strip-all \
		-T libos/vdso/vdso.ld $< -o $@
$(OUT)/obj/libos/libos/vdso/image.o: libos_FLAGS += -I$(OUT)
$(OUT)/obj/libos/libos/vdso/image.o: $(OUT)/vdso.so
$(OUT)/libos.elf: $(call objects,libos,$(LIBOS_C) $(LIBOS_S)) libos/libos.ld
	$(call say,link,$@)ld.lld --gc-sections -z max-page-size=4096 -z nognustack -T libos/libos.ld -o $@ $(filter %.o,$^)
$(OUT)/libos.bin: $(OUT)/libos.elf
	$(if $(V),,@)llvm-objcopy -O binary $< $@
# what these bring in
$(OUT)/obj/tool/tools/libos.o: tool_FLAGS += -I$(OUT)
$(OUT)/obj/tool/tools/libos.o: $(OUT)/libos.bin
$(OUT)/obj/tool/tools/new/texts.o: $(wildcard tools/new/main.*)
$(OUT)/obj/tool/tools/template/drivers.o: $(wildcard tools/template/template.*)

$(OUT)/goblin: $(call objects,tool,$(TOOL_C) $(TOOL_S))
	$(call say,link,$@)$(CC) -nostdlib -static-pie -fuse-ld=lld -Wl,-z,relro,-z,now,--build-id $(MUSL)/rcrt1.o $(MUSL)/crti.o $^ -L$(MUSL) -lc \
		$(shell $(CC) -print-libgcc-file-name) $(MUSL)/crtn.o -o $@

goblin: $(OUT)/goblin ## build the goblin command, out/goblin
.PHONY: goblin

# what these tests take beside the core
$(OUT)/unit/test_app_tables: $(call objects,host,cpu/kvm/tables.c)
$(OUT)/unit/test_rights: $(call objects,host,ground/linux/rights.c)
$(OUT)/unit/test_code: $(call objects,host,ground/linux/code.c)
$(OUT)/unit/test_kvm_cpuid: $(call objects,host,cpu/kvm/cpuid.c)
$(OUT)/unit/test_libos_elf: $(call objects,host,libos/elf.c)
# without the core's library, which has a space of its own
$(OUT)/fuzz/fuzz_gate: $(call objects,fuzz,test/fuzz/fuzz_gate.c ground/linux/space.c ground/linux/ground.c cpu/kvm/tables.c base/str.c)
	@mkdir -p $(@D)
	$(call say,link,$@)$(CC) $(fuzz_FLAGS) -fsanitize=fuzzer $^ -o $@
$(OUT)/fuzz/fuzz_elf: $(call objects,fuzz,libos/elf.c)
$(OUT)/unit/test_erofs: $(call objects,host,libos/erofs.c)
$(OUT)/fuzz/fuzz_erofs: $(call objects,fuzz,libos/erofs.c)

host: $(OUT)/goblin ## compare programs under `goblin run` with native runs
	@OUT=$(OUT) test/host/run
.PHONY: host

# --- installing, and images made ahead --------------------------------------------------------------------------------
prefix := /usr/local
.PHONY: install images
install: $(OUT)/goblin ## install the goblin command (prefix=/usr/local, DESTDIR)
	install -D -m 755 $(OUT)/goblin $(DESTDIR)$(prefix)/bin/goblin
	install -D -m 644 docs/goblin.1 $(DESTDIR)$(prefix)/share/man/man1/goblin.1
	install -D -m 644 tools/goblin.bash $(DESTDIR)$(prefix)/share/bash-completion/completions/goblin

images: $(OUT)/goblin ## make the stock app images, out/images/*.img: lua, python, js, hello (C)
	@OUT=$(OUT) CC=$(CC) mk/images
