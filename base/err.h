#pragma once
/* The one error type. 0 is OK. Texts are made only at the edge (menu, console, CLI). */
#include "base/types.h"

typedef enum err {
    OK = 0,
    ERR_GUEST,       /* the guest broke a rule: stop that guest and nobody else */
    ERR_NOMEM,       /* not enough memory */
    ERR_IO,          /* hardware or firmware failed */
    ERR_INVAL,       /* the caller's argument is not acceptable */
    ERR_RANGE,       /* an address or a number is outside what is allowed */
    ERR_NOTFOUND,    /* no such file, device, entry */
    ERR_EXISTS,      /* the name is taken */
    ERR_BUSY,        /* in use now; may work later */
    ERR_UNSUPPORTED, /* this machine or this build cannot do it */
    ERR_FORMAT,      /* the bytes are not what their format says */
    ERR_FULL,        /* a fixed table or ring has no room */
    ERR_AGAIN,       /* nothing there yet */
} err_t;

/* A short English phrase, never NULL. */
const char *err_text(err_t e);
