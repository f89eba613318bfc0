/* err_t to Linux error numbers. */
#include "ninep/errno.h"

static const uint8_t numbers[] = {
    [OK] = NINEP_EIO,
    [ERR_GUEST] = NINEP_EPROTO,
    [ERR_NOMEM] = NINEP_ENOMEM,
    [ERR_IO] = NINEP_EIO,
    [ERR_INVAL] = NINEP_EINVAL,
    [ERR_RANGE] = NINEP_ERANGE,
    [ERR_NOTFOUND] = NINEP_ENOENT,
    [ERR_EXISTS] = NINEP_EEXIST,
    [ERR_BUSY] = NINEP_EBUSY,
    [ERR_UNSUPPORTED] = NINEP_EOPNOTSUPP,
    [ERR_FORMAT] = NINEP_EPROTO,
    [ERR_FULL] = NINEP_ENFILE,
    [ERR_AGAIN] = NINEP_EAGAIN,
};

uint32_t ninep_errno(err_t e)
{
    return (size_t)e < ARRAY_LEN(numbers) && numbers[e] ? numbers[e] : NINEP_EIO;
}
