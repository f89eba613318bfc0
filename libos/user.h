#pragma once
/* Who the program says it is: sys_user.c. At the start whoever the monitor says. It decides what calls answer and to whom new files belong; what
 * the program may do to the world is up to the monitor, which never asks for it. */
#include "base/types.h"

struct id {
    uint32_t real, effective, saved;
};
extern struct id user_id, group_id;
extern uint32_t *groups, ngroups;
void user_init(void);
