#pragma once
/* What the files of app/ that serve all grounds ask of a guest's memory. A program has one of the two that can: vm/space.c, where the monitor
 * owns the page tables, or ground/linux/space.c. Their headers say more. */
#include "abi/app.h"
#include "base/err.h"

struct space;

/* These three are atomic: on an error nothing has changed. ERR_INVAL: not whole pages, or an unknown bit in prot (APP_READ ...); ERR_RANGE:
 * outside of [0, APP_TOP); ERR_NOMEM: over the guest's limit, or the machine has no more. */
MUST_USE err_t space_map(struct space *, uint64_t at, uint64_t len, unsigned prot);
MUST_USE err_t space_unmap(struct space *, uint64_t at, uint64_t len);
MUST_USE err_t space_protect(struct space *, uint64_t at, uint64_t len, unsigned prot);

/* Copies. ERR_RANGE: some of it is not mapped; a part may have been copied. */
MUST_USE err_t space_read(struct space *, uint64_t at, void *dst, uint64_t len);
MUST_USE err_t space_write(struct space *, uint64_t at, const void *src, uint64_t len);
bool space_mapped(struct space *, uint64_t at, uint64_t len);
