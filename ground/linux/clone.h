#pragma once
/* What passes on a template's socket. Whoever wants a clone (clone.c) sends a question, with its standard input, output and error as descriptors,
 * and then the number of each signal it gets, a byte each; a clone (template.c) sends one answer, at its end. */
#include <sys/socket.h>
#include "base/types.h"

#define CLONE_MAGIC 0x6E6C4374u
#define CLONE_TEXT_MAX KIB(1024)

struct clone_ask {
    uint32_t magic, bytes; /* of the strings that follow: the clone's name ("": any), then its arguments, each with an ending 0 */
    uint32_t count, pad; /* how many strings */
};
union clone_files { /* the descriptors that go with it */
    struct cmsghdr head;
    char room[CMSG_SPACE(3 * sizeof(int))];
};
struct clone_answer {
    int32_t status, killed; /* as guest_run() */
};

/* The socket's place; false: there is none. */
bool clone_path(const char *name, char *path, size_t size);
