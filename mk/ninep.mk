# The servers of host directories and of the network, for host programs; and the test against other people's 9P (test/host/diod).
NINEP_C := $(wildcard ground/linux/hostfs*.c) $(wildcard ground/linux/net*.c) tools/ports.c
DIOD := $(OUT)/diod/serve $(OUT)/diod/ask

$(DIOD): $(OUT)/diod/%: $(OUT)/obj/host/test/host/diod/%.o $(OUT)/libcore-host.a
	@mkdir -p $(@D)
	$(call say,link,$@)$(CC) $(host_FLAGS) $^ -o $@

.PHONY: interop interop_programs
interop_programs: $(DIOD)
interop: $(DIOD) ## test 9P against Debian's diod, both ways
	@OUT=$(OUT) test/host/diod/run
