# The disk image, and the goals that need one. Scripts: mk/deps, mk/debian, mk/initrd, mk/image, mk/run.
CACHE := $(OUT)/cache
IMAGE := $(OUT)/goblin.img
DEBIAN := $(CACHE)/debian.ext4 $(CACHE)/vmlinuz $(CACHE)/initrd.img $(CACHE)/busybox
IMAGE_PARTS := mk/image $(shell find mk/esp -type f) $(DEBIAN) $(CACHE)/tiny.img
# as many jobs as CPUs, unless the user has said how many
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# Debian is made anew only when its recipe changes: it takes a minute
$(DEBIAN) &: mk/debian mk/debian-setup
	@mk/debian $(CACHE)
	@touch $(DEBIAN)

$(CACHE)/tiny.img: mk/initrd mk/tiny/init $(CACHE)/busybox
	$(call say,initrd,$@)mk/initrd $@ $(CACHE)/busybox mk/tiny

# the apps of mk/esp's entries, with the libos inside
APP_IMAGES := $(addprefix $(OUT)/images/,lua.img python.img hello.img)
$(APP_IMAGES) &: $(OUT)/goblin mk/images
	@OUT=$(OUT) CC=$(CC) mk/images lua python

# A new EFI program and new apps are put into the image that is there, so that guests find their disk as they left it
$(IMAGE): $(OUT)/BOOTX64.EFI $(APP_IMAGES) $(IMAGE_PARTS)
	@if [ -e $@ ] && [ -z '$(filter $(IMAGE_PARTS),$?)' ]; \
	then mk/image efi $@ $< $(APP_IMAGES) && touch $@; \
	else mk/image new $@ $< $(CACHE) $(CACHE)/tiny.img $(APP_IMAGES); fi

.PHONY: deps image run
deps: ## install what the build and the tests need (Debian packages)
	@mk/deps test

image: ## build out/goblin.img, a disk for QEMU or a USB stick
	@mk/deps run
	@$(MAKE) --no-print-directory $(JOBS) $(IMAGE)

run: image ## build everything and boot it in QEMU (SCREEN=1: in a window)
	@mk/run $(IMAGE) $(if $(SCREEN),--screen)
