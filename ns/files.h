#pragma once
/* The trees of bytes: /img, /blk, /boot. docs/ns-img.md, ns-blk.md, ns-boot.md. For ns/ only; CPU 0's loop. */
#include "ns/ns.h"

struct ninep_fs;

void ns_files_init(const struct ns_setup *);
const struct ns_file *ns_file_find(const char *path);         /* NULL: not loaded. Case does not matter, as on a FAT volume */
const struct ns_file *ns_file_of(const struct blob *);        /* the file these bytes are, NULL: none */
struct ninep_fs *ns_img_fs(void);
struct ninep_fs *ns_blk_fs(void);
struct ninep_fs *ns_boot_fs(void);
