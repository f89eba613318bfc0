#pragma once
/* The ChaCha20 block function (RFC 8439, section 2.3). */
#include "base/types.h"

#define CHACHA_KEY 32
#define CHACHA_BLOCK 64

/* One block of the key stream. at: the block's counter and the nonce. */
void chacha_block(const uint8_t key[CHACHA_KEY], const uint32_t at[4], uint8_t out[CHACHA_BLOCK]);
