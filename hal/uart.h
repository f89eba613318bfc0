#pragma once
/* The machine's serial port, a 16550 (TI PC16550D data sheet, section 8). CPU 0 only; no lock. */
#include "base/err.h"
#include "hal/port.h"
#include "io/console.h"

#define UART_COM1 0x3F8u
#define UART_COM1_IRQ 4u

struct uart {
    struct serial_port serial;
    const struct port_ops *port;
    uint16_t base;
    bool fifo;  /* 16 bytes deep, else 1 */
    bool waits; /* the writer wants to know when there is room */
};

/* Finds the port and sets it to 115200 8n1, interrupts off. ERR_NOTFOUND. */
MUST_USE err_t uart_init(struct uart *, const struct port_ops *, uint16_t base);
/* Takes its interrupt. Without one serial.polled is set. After serial.received and serial.has_room are set. */
void uart_start(struct uart *, unsigned irq);
