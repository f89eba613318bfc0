#pragma once
/* I/O ports as a table of functions, so that a test can put a model of the device behind them. */
#include "base/types.h"

struct port_ops {
    uint8_t (*in8)(uint16_t port);
    void (*out8)(uint16_t port, uint8_t val);
};
extern const struct port_ops port_hw; /* the real ones */
