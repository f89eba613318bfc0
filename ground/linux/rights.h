#pragma once
/* What the monitor of a guest may still do once the guest runs: what it needs, and nothing else. */
#include "base/err.h"
#include "base/types.h"

struct rights_tree { /* a directory of the host that is served, or used by the monitor itself */
    const char *path;
    bool write;
    bool remove; /* only this: files in it may be removed */
    bool sockets; /* with it: made, and renamed */
};

/* Closes all descriptors above 2 but `keep`: whoever started us may have left some open. */
void rights_close(int keep);
/* Gives up, for good and for all threads to come: privileges by exec, capabilities but those over files (and, with RIGHTS_NET, low ports), files outside of
 * the trees where the kernel has Landlock, and all system calls but those of rights.c' tables. One that is not among them ends the process with SIGSYS and
 * a line on stderr. ERR_UNSUPPORTED: the kernel cannot; nothing is promised then. */
#define RIGHTS_NET 0x1u
#define RIGHTS_LISTEN 0x2u   /* to listen at Unix sockets, where there is a tree with `sockets` */
#define RIGHTS_TEMPLATE 0x4u /* what a process needs whose forks are clones; a clone then calls rights_renew() */
MUST_USE err_t rights_drop(const struct rights_tree *, unsigned n, unsigned flags);
MUST_USE err_t rights_renew(unsigned flags); /* the system calls only: files are restricted already */
