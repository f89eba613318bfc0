#pragma once
/* The files by which others see and end this guest: the /vm tree with one guest in it (ns/vm.h, docs/ns-vm.md), on a Unix
 * socket in guest_dir() that is named for the guest. `goblin ps` and `goblin stop` read and write them. */
#include "ground/linux/run.h"

struct app;
struct sockaddr_un;

/* Makes the socket. Where that cannot be, the guest runs without one: nobody is told of it. Before rights_drop(). */
void ctl_open(struct app *, const struct guest_config *);
/* In a process that was forked from the one that made it: its socket is none of ours. */
void ctl_leave(void);
/* Then, one of our own, with that name, or "": the other one's with a number. The name it got. Without a name of its own ctl_fd() makes the socket, by
 * whoever has time. */
const char *ctl_renew(const char *name);
/* What is readable when somebody comes, for the waiting thread; -1: no socket. */
int ctl_fd(void);
void ctl_ready(void);
/* Where the socket is, NULL: nowhere. To be removed at the end. */
const char *ctl_dir(void);
/* Tells those who wait for the end how it came, and removes the socket. */
void ctl_close(int status, int killed);
/* Whether nobody listens at that path; what a process that is no more has left there is removed. */
bool socket_free(const struct sockaddr_un *);
bool receive_all(int fd, void *to, size_t n); /* false: the other side has ended */
