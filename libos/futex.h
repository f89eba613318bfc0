#pragma once
/* The futex system call. */
#include <linux/futex.h>
#include "libos/thread.h"

int64_t futex_call(user_t at, uint32_t op, uint32_t val, user_t timeout, user_t at2, uint32_t val3);
void futex_robust(user_t head);
