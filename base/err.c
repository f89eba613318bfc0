/* Phrases for error codes. */
#include "base/err.h"

static const char *const texts[] = {
    [OK] = "ok",
    [ERR_GUEST] = "the guest broke a rule",
    [ERR_NOMEM] = "not enough memory",
    [ERR_IO] = "input/output error",
    [ERR_INVAL] = "invalid argument",
    [ERR_RANGE] = "out of range",
    [ERR_NOTFOUND] = "not found",
    [ERR_EXISTS] = "already exists",
    [ERR_BUSY] = "busy",
    [ERR_UNSUPPORTED] = "not supported here",
    [ERR_FORMAT] = "bad format",
    [ERR_FULL] = "table full",
    [ERR_AGAIN] = "nothing there yet",
};

const char *err_text(err_t e)
{
    return (size_t)e < ARRAY_LEN(texts) && texts[e] ? texts[e] : "unknown error";
}
