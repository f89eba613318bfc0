#pragma once
/* Linux error numbers, as Rlerror carries them whatever the server runs on, and how err_t becomes one. */
#include "base/err.h"

enum ninep_errno {
    NINEP_EPERM = 1,
    NINEP_ENOENT = 2,
    NINEP_EINTR = 4,
    NINEP_EIO = 5,
    NINEP_EBADF = 9,
    NINEP_EAGAIN = 11,
    NINEP_ENOMEM = 12,
    NINEP_EACCES = 13,
    NINEP_EBUSY = 16,
    NINEP_EEXIST = 17,
    NINEP_ENOTDIR = 20,
    NINEP_EISDIR = 21,
    NINEP_EINVAL = 22,
    NINEP_ENFILE = 23,
    NINEP_ENOSPC = 28,
    NINEP_EROFS = 30,
    NINEP_ERANGE = 34,
    NINEP_ENAMETOOLONG = 36,
    NINEP_ENOTEMPTY = 39,
    NINEP_ELOOP = 40,
    NINEP_EPROTO = 71,
    NINEP_EOPNOTSUPP = 95,
    NINEP_ENOBUFS = 105,
};

/* Never 0: OK is no error and must not be asked about (EIO). */
uint32_t ninep_errno(err_t e);
