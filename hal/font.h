#pragma once
/* The bitmap font, made by mk/font from a Debian console font. */
#include "base/types.h"

#define FONT_WIDTH 8u
#define FONT_HEIGHT 16u

extern const unsigned font_glyphs;
extern const uint16_t font_code[];             /* Unicode, ascending */
extern const uint8_t font_rows[][FONT_HEIGHT]; /* the leftmost pixel is bit 7 */
