#pragma once
/* The virtual PC: the machine an OS guest runs on. One per running guest, made by vm_start() through machine_pc. */
#include "vm/vm.h"

extern const struct machine machine_pc;
