/* The machine's I/O ports. */
#include "hal/port.h"
#include "arch/x86/cpu.h"

const struct port_ops port_hw = { .in8 = cpu_in8, .out8 = cpu_out8 };
