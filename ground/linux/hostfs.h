#pragma once
/* A directory of the host (or one file) as a 9P server's files. Who is served can reach nothing outside of it: every
 * fid is a file descriptor that was reached from the directory's own by single names under openat2(RESOLVE_BENEATH),
 * symbolic links are never followed here, and only regular files and directories are ever opened for reading or writing
 * (never a device, FIFO or socket, and nothing in a /proc).
 *
 * It acts as the user who runs the process: files are made as theirs, owners are shown as they are, and the kernel
 * decides what is allowed. Set-user-id and set-group-id bits of files cannot be set. The process's umask counts too:
 * set it to 0 if the client applies its own. Needs Linux 5.8 and /proc. One thread at a time; a call may wait for the
 * disk. */
#include "ninep/server.h"

struct hostfs {
    struct ninep_fs fs; /* give &hostfs.fs to a server; several servers may share it */
    int root, proc;     /* the directory; /proc/self/fd */
    uint64_t root_dev;
    uint64_t dir_buf[4096]; /* one getdents64() */
};

/* ERR_NOTFOUND; ERR_UNSUPPORTED: the kernel is too old or there is no /proc; ERR_INVAL: neither a directory nor a
 * regular file; ERR_IO: any other, errno says which. Call it in the process that serves, not before a fork. */
MUST_USE err_t hostfs_open(struct hostfs *, const char *path);
/* After the servers that use it have ended. */
void hostfs_close(struct hostfs *);
