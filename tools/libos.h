#pragma once
#include "base/types.h"

/* The libos that is part of the goblin command (mk/goblin.mk). */
extern const uint8_t libos_image[], libos_image_end[];
/* Programs that make templates of their languages (tools/template). */
extern const uint8_t template_py[], template_py_end[], template_lua[], template_lua_end[];
