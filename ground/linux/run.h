#pragma once
/* Running one app guest, as the goblin command asks for it. */
#include "abi/app.h"
#include "base/err.h"

/* What to run, filled in by the command. Strings are kept until guest_run() returns. */
struct guest_mount {
    const char *host, *at;
    bool read_only, layer;
};
struct guest_image { /* an app image's file system */
    int fd;
    uint64_t at, size; /* bytes in the file: appimage_read() has checked them */
    uint32_t flags;    /* IMAGE_* */
};
/* A port of this machine that leads to one of the guest's. */
#define GUEST_PORTS 64
struct guest_port {
    char address[48]; /* of this machine, "": all of IPv4 */
    uint16_t host, guest;
    bool udp;
};
enum guest_net {
    GUEST_NET_NONE, /* published ports only */
    GUEST_NET_OUT,  /* and whatever is not this machine */
    GUEST_NET_HOST, /* all that a program on this machine can do */
};
struct guest_config {
    int libos_fd;      /* the file that the libos is in, the image if there is one; zeros follow it up to the end of its last page */
    uint64_t libos_at;
    size_t libos_size;
    const char *program; /* its path */
    char *const *argv;
    char *const *env;
    unsigned argc, envc;
    uint64_t memory;
    unsigned cpus;  /* 0: all of the machine's */
    const char *cwd, *name;
    const char *sites; /* the file that keeps the system-call sites of programs, or NULL */
    const char *cpuid; /* the file that keeps what KVM says of the CPU, or NULL */
    const char *state;   /* a directory that the command itself writes to until the end; NULL: none */
    struct guest_mount mounts[APP_CHANNELS];
    unsigned nmounts;
    const struct guest_image *image; /* the root; NULL: a mount at "/" is */
    enum guest_net net;
    struct guest_port ports[GUEST_PORTS];
    unsigned nports;
    bool template; /* it is to become one, by its name */
};

/* The directory of the running guests' sockets, made if it is not there. False: there is none that is only ours. */
bool guest_dir(char *path, size_t size);
/* Runs it to its end. *status is an exit status, or 128 + a signal's number, as a shell shows it; *killed the signal, or 0. On error, a line has been written
 * to stderr. Descriptors above 2 are closed, but libos_fd; afterwards the process has the rights of a guest's monitor only (rights.h). */
MUST_USE err_t guest_run(const struct guest_config *, int *status, int *killed);

/* Runs a clone of that template, with this process's standard files, to its end. name: "": the template's, with a number. On an error, a line has been
 * written to stderr. */
MUST_USE err_t guest_clone(const char *from, const char *name, char *const *argv, unsigned argc, int *status, int *killed);
