#pragma once
#include "base/types.h"

/* Finds the `syscall` instructions of x86-64 text that may be turned into `call *%rax`, of the same two bytes' length. Calls found() with
 * the offset of each. The text may be hostile: the work is bounded by its length. */
void rewrite_find(const uint8_t *text, uint64_t len, void (*found)(void *arg, uint64_t site), void *arg);
extern const uint8_t rewrite_call[2]; /* what goes there */
