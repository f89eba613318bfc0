#pragma once
/* The monitor's file trees and who gets which.
 *
 *     /dev    the guest's own console, clock, random numbers      one for each guest    docs/ns-dev.md
 *     /vm     guests: a directory each, to look at and to command                       docs/ns-vm.md
 *     /img    image files that guests can be made of                                    docs/ns-img.md
 *     /blk    disks and partitions                                                      docs/ns-blk.md
 *     /boot   all files the boot menu has loaded, under their own names                 docs/ns-boot.md
 *
 * A guest gets what the `namespace` line of its entry names ("/dev /vm /boot:ro") and nothing else: each tree is a struct
 * vm_share of its configuration, which its machine turns into one 9P connection (a virtio-9p device, a channel of an app).
 * Without /vm there is no name by which it could reach another guest.
 *
 * All callbacks of these trees run on CPU 0's loop with no lock held (vm/work.h); so does everything here unless it says
 * otherwise. /dev alone may be served on any CPU, by one caller at a time for each guest. */
#include "ns/cons.h"
#include "vm/vm.h"

struct blk;

/* A file the launch carries; its bytes stay for ever. */
struct ns_file {
    const char *path; /* from the root of its volume, "/debian/vmlinuz" */
    struct blob blob;
};

/* What whoever owns the monitor provides. Kept. */
struct ns_setup {
    const struct ns_file *file;
    unsigned nfiles;
    struct blk *(*disk)(const char *name); /* what `disk` in an entry names; NULL: there is none */
    const struct machine *pc;              /* for guests that are made at run time */
    const struct machine *app;             /* NULL: this build has no apps */
    const char *no_isolation;              /* why there is no `isolate vm` here; NULL: there is */
    void (*added)(struct vm *);            /* a guest is new: gives it its place on the console */
    void (*removed)(struct vm *);          /* a guest is about to be freed */
};

/* Once, before the first guest. */
void ns_init(const struct ns_setup *);
/* Registers a guest (vm_add) and makes its files. Errors as vm_add; ERR_INVAL: its namespace line, as ns_check. */
MUST_USE err_t ns_guest_add(const struct vm_config *, const struct machine *, struct vm **out);
/* Whether it is a namespace line; if not, why says what is wrong and how to put it right. */
MUST_USE err_t ns_check(const char *line, char *why, size_t size);
/* One line of the monitor's log, kept for /vm/NAME/log. Any CPU, any lock but the page allocator's. */
void ns_log(const char *line);
