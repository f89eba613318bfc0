#pragma once
/* A connection to the files of a running guest (ground/linux/ctl.h). */
#include "ninep/client.h"

#define LINK_MSIZE 8192u

struct link {
    int fd;
    struct ninep_client client;
    struct ninep_call calls[4];
    uint64_t fids[1];
    uint32_t root;
    uint8_t out[LINK_MSIZE], in[LINK_MSIZE];
};

/* NULL: errno; ECONNREFUSED when the guest is no more. */
struct link *link_open(const char *socket);
void link_close(struct link *); /* keeps errno */
/* An answer that takes longer fails with EAGAIN; 0 seconds: at once. */
void link_limit(struct link *, long seconds);
/* All of a small text; the number of bytes without the ending 0. -1: errno. file: "NAME/status". */
long link_read(struct link *, const char *file, char *text, size_t size);
int link_write(struct link *, const char *file, const char *text); /* 0, or -1 with errno */
/* The value of "KEY value" in a text of lines, cut to size. False: no such line. */
bool link_value(const char *text, const char *key, char *value, size_t size);
