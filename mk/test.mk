# Tests beyond the unit tests: fuzzers, whole machines in QEMU, figures. Scripts: mk/test, mk/fuzz, test/qemu, test/bench.
FUZZ_SECONDS := 3600

# what the tests boot: the stock kernel with busybox and scripts
$(CACHE)/test.img: mk/initrd $(wildcard test/qemu/initrd/*) $(DEBIAN)
	$(call say,initrd,$@)mk/initrd $@ $(CACHE)/busybox test/qemu/initrd $(CACHE)/modules=/modules

.PHONY: test test_programs fuzz qemu bench ci
test_programs: $(IMAGE) $(CACHE)/test.img $(GUESTS) unit_programs fuzz_programs

test: ## run every test: layers, unit, fuzzers, QEMU
	@OUT=$(OUT) MAKE='$(MAKE)' mk/test

qemu: ## run the QEMU tests only (QEMU_ONLY=regex)
	@mk/deps test
	@$(MAKE) --no-print-directory $(JOBS) $(IMAGE) $(CACHE)/test.img $(GUESTS)
	@OUT=$(abspath $(OUT)) test/qemu/run --only '$(QEMU_ONLY)'

bench: ## measure the figures against their baselines
	@mk/deps test
	@$(MAKE) --no-print-directory $(JOBS) $(IMAGE) $(GUESTS) bench_programs
	@OUT=$(abspath $(OUT)) test/bench/run
