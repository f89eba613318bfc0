#pragma once
/* What the files about the monitor's guests share: guests.c, define.c, spaces.c, log.c. CPU 0's loop. */
#include "ns/ns.h"
#include "ns/vm.h"

/* Says in why (NS_WHY_MAX bytes) what is wrong; e. */
err_t ns_refuse(char *why, err_t e, const char *fmt, ...) PRINTF(3, 4);
/* Changes cfg as the text says, which may be changed, too; what it does not say stays. On an error cfg is spoilt. */
MUST_USE err_t ns_define(const struct ns_setup *, const char *name, struct vm_config *cfg, char *text, char *why);

/* Fills share[] from a namespace line. fs: the trees /dev, /vm, /img, /blk, /boot; NULL: the line is only checked. ERR_INVAL. */
#define NS_TREES 5u
MUST_USE err_t ns_spaces_read(struct ninep_fs *const *fs, const char *line, struct vm_share share[NS_TREES], unsigned *count, char *why, size_t size);

/* As struct ns_guest_ops: a guest's lines of the log. */
void ns_log_of(struct ns_guest *, struct tree_text *);
