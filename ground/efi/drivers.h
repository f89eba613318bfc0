#pragma once
/* The concrete parts this ground is made of: CPU backends, disk drivers, console devices, the guests' machine. */
#include "vm/vm.h"

struct launch;

/* Choose the CPU backends: `cpu` for OS guests, `user` for apps, `user_vm` for those with `isolate vm`. NULL if there is one; else what
 * the machine lacks, and it is NULL. */
const char *drivers_cpu(void);
const char *drivers_user(bool isolated);
/* Console, disks, RAM disks. CPU 0, before the first guest. */
void drivers_init(struct launch *);
/* Gives a new guest its place on the console. */
void drivers_console_add(struct vm *);
/* Takes it away again; the guest does not run. */
void drivers_console_remove(struct vm *);
