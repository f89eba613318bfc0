#pragma once
/* Gets and gives back a guest's RAM. For vm/vm.c; everybody else uses vm/mem.h. */
#include "base/err.h"

struct vm;

/* Fills vm->low and vm->high with chunks for cfg.memory; whoever reads them finds zeros. On ERR_NOMEM nothing is kept. */
MUST_USE err_t ram_get(struct vm *);
void ram_put(struct vm *);
