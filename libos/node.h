#pragma once
/* What the files about nodes share: node.c, walk.c, name.c, dirlist.c, mount.c, and data.c, object.c, image.c for contents. */
#include "libos/file.h"

struct timespec node_now(void);
struct timespec node_time(struct ninep_time);
bool node_direct(const struct mount *); /* it may be written: everything goes to the server */
static inline bool node_served(const struct node *n) { return node_direct(n->m) && !n->memory; } /* the server has its contents */
int node_copy_up(struct node *);        /* the first write to a file of a layer: all of it comes into memory */

/* fid.c */
void fid_clunk(struct mount *, uint32_t fid);
/* A walk by one name, or none (NULL), and the attributes of what is there, in one exchange. */
int fid_walk(struct mount *, uint32_t from, const char *name, uint32_t *fid, struct rpc *attr);
int node_ask(struct node *from, const char *name, uint32_t *fid, struct rpc *attr); /* the same from a node */
/* Whether the server has it; n->fid is good for the next question only, and only after node_fid(). */
static inline bool node_known(const struct node *n) { return n->fid != NINEP_NOFID || n->away; }
int node_fid(struct node *);                  /* sees to it that n->fid is its fid, if node_known() */
void node_fid_set(struct node *, uint32_t fid); /* a new node's */
void node_pages_free(struct node *);

/* object.c. 0 or -errno. */
int object_make(struct node *); /* the file's contents become a memory object */
int64_t object_map(struct node *, uint64_t addr, uint64_t len, unsigned prot, uint64_t offset);
int object_copy(struct node *, void *user, uint64_t len, uint64_t at, bool out); /* out: to the file */
void object_cut(struct node *, uint64_t size);

/* node.c */
struct node *node_child(const struct node *dir, const char *name); /* a name that is known already, or NULL */
int child_get(struct node *dir, const char *name, struct node **out); /* the same, asking the server if need be; -ENOENT ... */
void name_attach(struct node *dir, struct node *); /* by its name */
void name_detach(struct node *);
void name_drop(struct node *dir, const char *name); /* what is known under that name, if there is */
void node_drop(struct node *); /* its name is gone; so is the node, once nobody holds it */
/* A directory's links are its own two and one for each directory in it: programs that walk trees rely on it. */
void links_count(struct node *dir, const struct node *, int change);
void attr_take(struct node *, const struct ninep_msg *getattr); /* as the server says */
extern uint64_t next_ino;

/* dirlist.c: one more row. */
int dirlist_add(struct dirlist *, const char *name, uint64_t ino, uint8_t type);

/* image.c, for nodes with a lower file: 0 or more, or -errno */
int image_root(struct node *);
int image_child(struct node *dir, const char *name, struct node **out);
int image_list(struct node *dir, struct dirlist *);
int image_link(struct node *); /* sets n->link */
int64_t image_read(struct node *, void *user, uint64_t len, uint64_t at); /* at < n->size */
int64_t image_map(struct node *, uint64_t addr, uint64_t len, unsigned prot, uint64_t offset);
