#pragma once
#include "base/types.h"

/* CRC-32 as in GPT, zip and Ethernet (polynomial 0x04C11DB7, reflected). Begin with 0; pieces may be added one after the other. */
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n);
