# Tiny guests that try one surface of the monitor each: test/guest/NAME.c becomes out/guest/NAME.bzimage, which starts like
# a Linux kernel. What they share is in test/guest/lib.
guest_FLAGS += -ffunction-sections -fdata-sections
GUEST_LIB := $(wildcard test/guest/lib/*.c test/guest/lib/*.S) base/fmt.c base/utf.c base/str.c base/mem.c
GUESTS := $(patsubst test/guest/%.c,$(OUT)/guest/%.bzimage,$(wildcard test/guest/*.c))

$(OUT)/guest/%.elf: $(OUT)/obj/guest/test/guest/%.o $(call objects,guest,$(GUEST_LIB)) test/guest/lib/guest.ld
	@mkdir -p $(@D)
	$(call say,link,$@)ld.lld --gc-sections -z max-page-size=4096 -z nognustack -T test/guest/lib/guest.ld -o $@ $(filter %.o,$^)

$(OUT)/guest/%.bzimage: $(OUT)/guest/%.elf
	$(if $(V),,@)llvm-objcopy -O binary $< $@

# Test programs for the app ABI, in the place of a libos: test/app/NAME.c becomes out/app/NAME.img
APP_LIB := $(wildcard test/app/lib/*.c test/app/lib/*.S) base/fmt.c base/utf.c base/str.c base/mem.c
APPS := $(patsubst test/app/%.c,$(OUT)/app/%.img,$(wildcard test/app/*.c))

$(OUT)/app/%.elf: $(OUT)/obj/guest/test/app/%.o $(call objects,guest,$(APP_LIB)) test/app/lib/app.ld
	@mkdir -p $(@D)
	$(call say,link,$@)ld.lld --gc-sections -z max-page-size=4096 -z nognustack -T test/app/lib/app.ld -o $@ $(filter %.o,$^)

$(OUT)/app/%.img: $(OUT)/app/%.elf
	$(if $(V),,@)llvm-objcopy -O binary $< $@

guests: $(GUESTS) $(APPS) ## build the test guests, out/guest/*.bzimage and out/app/*.img
.PHONY: guests
