#pragma once
/* The /dev tree of one guest: its console, clock, random numbers. docs/ns-dev.md is its page. The console file is the
 * guest's end of a serial line of its own, with the line editing of a Linux terminal. */
#include "arch/x86/lock.h"
#include "base/ring.h"
#include "io/tty.h"
#include "ninep/tree.h"

#define NS_DEV_INPUT 1024u /* a power of two */
#define NS_DEV_TERMIOS 36u /* Linux' struct termios as the kernel has it */

struct vm;

struct ns_dev {
    /* fixed */
    struct tree tree;
    struct tty tty; /* the guest's machine opens and closes it (vm->line) */
    struct vm *vm;

    struct lock lock; /* outside the console's locks */
    /* under lock */
    uint64_t starts; /* the vm's, when the terminal was made new */
    uint8_t termios[NS_DEV_TERMIOS];
    struct ring input;
    uint32_t ready; /* position in input: bytes before it may be read; what follows is a line still being typed */
    bool end;       /* the user typed end of file */
    uint8_t bytes[NS_DEV_INPUT];
};

void ns_dev_init(struct ns_dev *, struct vm *);
