# Tiny guests that try one surface of the monitor each: test/guest/NAME.c becomes out/guest/NAME.bzimage, which starts like
# a Linux kernel. What they share is in test/guest/lib.
guest_FLAGS += -ffunction-sections -fdata-sections
GUEST_LIB := $(wildcard test/guest/lib/*.c test/guest/lib/*.S) base/fmt.c base/str.c base/mem.c
GUESTS := $(patsubst test/guest/%.c,$(OUT)/guest/%.bzimage,$(wildcard test/guest/*.c))

$(OUT)/guest/%.elf: $(OUT)/obj/guest/test/guest/%.o $(call objects,guest,$(GUEST_LIB)) test/guest/lib/guest.ld
	@mkdir -p $(@D)
	$(call say,link,$@)ld.lld --gc-sections -z max-page-size=4096 -z nognustack -T test/guest/lib/guest.ld -o $@ $(filter %.o,$^)

$(OUT)/guest/%.bzimage: $(OUT)/guest/%.elf
	$(if $(V),,@)llvm-objcopy -O binary $< $@

guests: $(GUESTS) ## build the test guests, out/guest/*.bzimage
.PHONY: guests
