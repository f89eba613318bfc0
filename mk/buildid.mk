# The build's name, for the panic screen and the status line. Its own small object: a new commit rebuilds nothing else.
GEN_C += gen/buildid.c
BUILD_ID := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

$(OUT)/gen/buildid.c: FORCE
	@mkdir -p $(@D)
	@echo 'extern const char build_id[]; const char build_id[] = "$(BUILD_ID)";' >$@.new; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

FORCE:
.PHONY: FORCE

# the panic screen's backtrace reads the unwind tables of the PE format; llvm-symbolizer makes names and lines of it from DWARF
efi_FLAGS += -fasynchronous-unwind-tables -gdwarf-4
