#pragma once
/* Finds guests whose kernel panicked without telling by pvpanic: stock kernels have that driver as a module, and one that finds no root
 * file system or no init never loads it. It would show as running for ever. */
#include "base/types.h"

/* One of the scheduler's chores. */
uint64_t panic_chore(uint64_t now);
