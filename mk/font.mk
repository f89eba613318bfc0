# The console's font, from the Debian package console-setup-linux.
FONT := /usr/share/consolefonts/Uni2-VGA16.psf.gz
GEN_C += gen/font.c

$(OUT)/gen/font.c: mk/font mk/font.mk
	@mkdir -p $(@D)
	$(call say,font,$(notdir $(FONT)))zcat $(FONT) | mk/font >$@
