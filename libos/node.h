#pragma once
/* What node.c (the tree) and data.c (contents) share. */
#include "libos/file.h"

struct timespec node_now(void);
struct timespec node_time(struct ninep_time);
bool node_direct(const struct mount *); /* it may be written: everything goes to the server */
int node_copy_up(struct node *);        /* the first write to a file of a layer: all of it comes into memory */
void fid_clunk(struct mount *, uint32_t fid);
/* A walk by one name, or none (NULL), and the attributes of what is there, in one exchange. */
int fid_walk(struct mount *, uint32_t from, const char *name, uint32_t *fid, struct rpc *attr);
