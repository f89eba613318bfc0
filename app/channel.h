#pragma once
/* One of a guest's 9P connections, with a server at this end: questions out of the ring in the guest's memory, answers into it. The same on
 * all grounds; who calls it, and under which lock, is theirs. */
#include <stdatomic.h>
#include "app/memory.h"
#include "ninep/server.h"

struct app;

#define CHANNEL_SMALL 256u /* bytes of a question that needs no allocation: nearly all but Twrite */

struct channel_ask {           /* a question under way: a private copy */
    uint8_t *bytes;            /* NULL: none */
    uint32_t size;             /* as allocated; 0: in `small` */
};

struct channel {
    /* set by the owner before channel_init() */
    struct app *app;
    struct space *space;       /* the guest's memory */
    app_addr_t at;             /* struct app_channel in it */
    bool here;                 /* its tree may be served on any CPU: a kick is answered at once, under the guest's lock */
    struct ninep_server server; /* fs, nfids, read_only, wake */
    /* one caller at a time */
    bool dead;                 /* the guest broke the ring's rules; it is not listened to any more */
    uint32_t asked, answered;  /* our own indices: the guest's are only read */
    uint32_t news;             /* answers but those to writes */
    struct channel_ask ask[APP_CHANNEL_SLOTS], spare;
    uint8_t (*small)[CHANNEL_SMALL];
    struct {                   /* what the answers' ring says */
        uint16_t tag[APP_CHANNEL_SLOTS];
        uint32_t len[APP_CHANNEL_SLOTS];
    } out;
    _Atomic bool wanted;       /* somebody else than the guest's CPU is to serve it: see the ground. Any CPU */
};

/* Maps the channel's memory, too. ERR_NOMEM: nothing has been changed. */
MUST_USE err_t channel_init(struct channel *);
void channel_fini(struct channel *);
/* Takes all questions out of the ring and answers those that need no waiting. ERR_GUEST: the ring is broken. */
MUST_USE err_t channel_kick(struct channel *);
/* Gives the answers that had to wait and are ready; true if there were some. */
bool channel_poll(struct channel *);

/* The ground's: room for an answer of APP_CHANNEL_MSIZE on its way, while the caller does not wait. */
uint8_t *channel_room(void);
