#pragma once
#include "base/types.h"

/* The libos that is part of the goblin command (mk/goblin.mk). */
extern const uint8_t libos_image[], libos_image_end[];
