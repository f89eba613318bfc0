#pragma once
/* For the programs that are run natively and as guests: every result is printed, with its errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOW(x) do { errno = 0; long r_ = (long)(x); printf("%-70s %ld %s\n", #x, r_, r_ < 0 ? strerrorname_np(errno) : ""); fflush(stdout); } while (0)
/* only whether it worked */
#define WORKS(x) do { errno = 0; long r_ = (long)(x); printf("%-70s %s\n", #x, r_ < 0 ? strerrorname_np(errno) : "ok"); fflush(stdout); } while (0)
