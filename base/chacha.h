#pragma once
/* The ChaCha20 block function (RFC 8439, section 2.3). */
#include "base/types.h"

#define CHACHA_KEY 32
#define CHACHA_BLOCK 64

/* state: the 16 words of section 2.3, nonce and counter included. out: 64 bytes. */
void chacha_block(const uint32_t state[16], uint8_t *out);
/* Sets state up from a 32-byte key, a block counter and a zero nonce. */
void chacha_init(uint32_t state[16], const uint8_t *key, uint32_t counter);
