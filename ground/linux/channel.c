/* The guest's channels on Linux, beside app/channel.c: who is told of answers, and which files can be mapped. Under guest->lock. */
#define _GNU_SOURCE
#include "ground/linux/guest.h"

/* One lock, one answer at a time. */
uint8_t *channel_room(void)
{
    static uint8_t room[APP_CHANNEL_MSIZE];

    return room;
}

err_t channel_serve(struct channel *c)
{
    err_t e = channel_kick(c);

    if (!e)
        channel_poll(c); /* what a question has made ready; whoever kicks looks at all answers */
    return e;
}

void channel_tell(struct channel *c, bool kick)
{
    uint32_t before = c->answered;
    bool broken = kick && channel_serve(c);

    if (!kick)
        channel_poll(c);
    if (c->answered != before || broken)
        app_event(&c->app->cpus[0], APP_EVENT_CHANNEL);
}

static bool is_hostfs(const struct channel *c)
{
    for (unsigned i = 0; i < c->app->nchannels; i++)
        if (c->server.fs == &c->app->hostfs[i].fs)
            return true;
    return false;
}

/* The descriptor behind an open file that can be mapped, or -1. */
static int channel_fd(struct channel *c, uint32_t fid)
{
    const struct ninep_fid *f = ninep_server_fid(&c->server, fid);

    if (!f || !f->open)
        return -1;
    if (is_hostfs(c))
        return *(const int *)f->node; /* struct node of hostfs.c begins with its descriptor */
    return c->server.fs == &c->app->devices.fs ? mem_fd(f) : -1;
}

err_t app_map_file(struct channel *c, uint32_t fid, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    int fd = channel_fd(c, fid);
    err_t e = fd < 0 ? ERR_UNSUPPORTED : space_map_file(c->space, at, len, prot, fd, from);

    if (!e && (prot & (APP_EXEC | APP_SHARED)) == APP_EXEC)
        sites_mapped(at, len, fd, from);
    return e;
}
