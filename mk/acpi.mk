# The guest's DSDT: ASL source, compiled to a C array. iasl is in the Debian package acpica-tools.
IASL := iasl
GEN_C += gen/dsdt.c

$(OUT)/gen/dsdt.c: dev/dsdt.asl dev/pc_map.h mk/acpi.mk
	@mkdir -p $(@D)
	$(call say,iasl,$<)$(IASL) -we -tc -p $(@:.c=) $< >$(@:.c=.log) 2>&1 || { cat $(@:.c=.log); exit 1; }
	$(if $(V),,@)sed 's/^unsigned char dsdt_aml_code/const &/' $(@:.c=.hex) >$@
