#pragma once
/* Timers on any clock, once or again and again: what timerfd, POSIX timers and setitimer are made of. alarm.c. */
#include "libos/libos.h"

#define NS 1000000000ull
#define FOREVER (UINT64_MAX / 2)

struct alarm {
    struct timer timer;
    uint32_t clock;
    uint64_t at, every; /* by that clock, ns; at 0: it does not run */
    void (*fire)(struct alarm *, uint64_t times); /* how often it was due since the last call */
};
/* 0; -EINVAL: there is no such clock. CPU time counts while threads have a CPU. */
int clock_now(uint32_t clock, uint64_t *ns);
bool clock_only_read(uint32_t clock); /* nothing can wait for it */
void alarm_set(struct alarm *, uint64_t at, uint64_t every); /* at: by its clock; 0 stops it */

/* Reads what the program wants; *at by the alarm's clock. 0, -EFAULT, -EINVAL. */
int alarm_read(const struct alarm *, user_t from, bool absolute, uint64_t *at, uint64_t *every);
int alarm_write(const struct alarm *, user_t to); /* what is left, and the interval */
int alarm_change(struct alarm *, user_t new, bool absolute, user_t old); /* writes what was to old, if that is not 0, and sets it */

struct siginfo;
/* A POSIX timer's signal leaves the queue: how often the timer came due since it went in is said in it. */
void posix_timer_taken(struct siginfo *);
