# Tests beyond the unit tests: fuzzers, whole machines in QEMU, figures. Scripts: mk/test, mk/fuzz, test/qemu, test/bench.

# what the tests boot: the stock kernel with busybox and scripts
$(CACHE)/test.img: mk/initrd $(wildcard test/qemu/initrd/*) $(DEBIAN)
	$(call say,initrd,$@)mk/initrd $@ $(CACHE)/busybox test/qemu/initrd $(CACHE)/modules=/modules

.PHONY: test test_programs fuzz qemu
test_programs: guests $(OUT)/goblin $(IMAGE) $(CACHE)/test.img unit_programs fuzz_programs interop_programs

test: ## run every test: layers, unit, fuzzers, QEMU
	@OUT=$(OUT) MAKE='$(MAKE)' mk/test

qemu: ## run the QEMU tests only (QEMU_ONLY=regex)
	@mk/deps test
	@$(MAKE) --no-print-directory $(JOBS) guests $(OUT)/goblin $(IMAGE) $(CACHE)/test.img
	@OUT=$(abspath $(OUT)) test/qemu/run --only '$(QEMU_ONLY)'

# The benchmark system: a static program as the only process of the stock kernel, on the bare machine and in guests.
.PHONY: bench bench_programs
$(OUT)/bench/%: test/bench/%.c
	@mkdir -p $(@D)
	$(call say,cc bench,$<)$(CC) -O2 -g -Wall -Wextra -Werror -static $< -o $@

$(CACHE)/bench.img: mk/initrd $(OUT)/bench/work $(OUT)/bench/kvm $(DEBIAN)
	@mkdir -p $(OUT)/bench/root && cp $(OUT)/bench/work $(OUT)/bench/root/init
	$(call say,initrd,$@)mk/initrd $@ $(CACHE)/busybox $(OUT)/bench/root $(CACHE)/modules=/modules $(OUT)/bench/kvm=/bin/kvm

bench_programs: $(CACHE)/bench.img

bench: ## measure the figures against their baselines (BENCH_ONLY="exits boot ...")
	@mk/deps test
	@$(MAKE) --no-print-directory $(JOBS) guests $(EFI) $(OUT)/goblin $(APP_IMAGES) bench_programs
	@OUT=$(abspath $(OUT)) test/bench/run $(BENCH_ONLY)
