#pragma once
/* Running one app guest, as the goblin command asks for it. */
#include "abi/app.h"
#include "base/err.h"

/* What to run, filled in by the command. Strings are kept until guest_run() returns. */
struct guest_mount {
    const char *host, *at;
    bool read_only, layer;
};
struct guest_config {
    const uint8_t *libos;
    size_t libos_size;
    const char *program; /* its path */
    char *const *argv;
    char *const *env;
    unsigned argc, envc;
    uint64_t memory;
    unsigned cpus;
    const char *cwd, *name;
    struct guest_mount mounts[APP_CHANNELS];
    unsigned nmounts;
};

/* Runs it to its end. *status is an exit status, or 128 + a signal's number, as a shell shows it; *killed the signal, or 0. On error,
 * a line has been written to stderr. */
MUST_USE err_t guest_run(const struct guest_config *, int *status, int *killed);
