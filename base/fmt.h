#pragma once
/* Formatting into a caller's buffer: the part of printf the monitor uses.
 * %c %s %d %u %x %X %%, lengths l ll z, width, precision for strings, flags 0, - and # (with x), and * for both.
 * Neither a precision nor the buffer's end leaves half a character of UTF-8 behind. */
#include <stdarg.h>
#include "base/types.h"

/* Both write at most size bytes including the ending 0 (always there if size > 0) and return the length the whole
 * text would have had. */
size_t fmt_text(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);
size_t fmt_vtext(char *buf, size_t size, const char *fmt, va_list ap) PRINTF(3, 0);
/* A GUID as text, lower case: 36 characters. g: 16 bytes as disks and the firmware keep them (RFC 9562, with the first three fields
 * little-endian). */
void fmt_guid(char *buf, size_t size, const uint8_t *g);
