#pragma once
/* The /vm tree: guests as directories. docs/ns-vm.md is its page. The tree knows a guest only as struct ns_guest; who runs
 * guests (ns/guests.c under the EFI monitor, ground/linux/ctl.c for `goblin run`) embeds that and fills the table of
 * operations. One caller at a time. */
#include "base/list.h"
#include "ninep/tree.h"

#define NS_TEXT_MAX 4095u /* bytes of one write to a ctl */
#define NS_WHY_MAX 160u

struct ns_guest;
struct ns_vm;

/* What `status` tells. Strings are without line ends. */
struct ns_status {
    const char *kind;  /* "linux", "app", "none" */
    const char *isolate; /* "vm", "none": of an app; NULL: it is none */
    const char *state; /* "off", "running", "template", "stopping" */
    bool on;           /* not off */
    char why[NS_WHY_MAX]; /* how it ended last; "-" while it runs */
    char image[128];   /* the file it is made of; "-": none */
    unsigned vcpus;
    uint64_t memory;   /* bytes it may have */
    uint64_t used;     /* bytes of the machine it holds by itself */
    uint64_t shared;   /* and together with its template */
    char template[32]; /* which it is a clone of; "-": of none */
    uint64_t ready_ns; /* from the command to its first instruction; 0: not known */
    uint64_t cpu_ms;   /* it has run, of this start */
    unsigned cpu;      /* per cent of one CPU, lately */
    uint64_t exits, exits_per_s;
    uint64_t up_ms;    /* since it was started; 0 if it is off */
    uint64_t starts;
    uint64_t pid;      /* of its process; 0: it has none */
};

/* A slot may be NULL where it says so. why: room for NS_WHY_MAX bytes, says what is wrong and how to put it right. */
struct ns_guest_ops {
    void (*status)(struct ns_guest *, struct ns_status *);
    err_t (*command)(struct ns_guest *, char *text, char *why); /* a write to ctl; text may be changed */
    void (*log)(struct ns_guest *, struct tree_text *);         /* NULL: empty */
    void (*mem)(struct ns_guest *, struct tree_text *);
    const char *(*spaces)(struct ns_guest *); /* its namespace line; NULL: none */
    /* the console; all NULL: it is elsewhere. As ns_cons_read(); type returns how many bytes it took */
    uint64_t (*oldest)(struct ns_guest *);
    err_t (*read)(struct ns_guest *, uint64_t *at, void *to, uint32_t n, uint32_t *got);
    size_t (*type)(struct ns_guest *, const uint8_t *bytes, size_t n);
};

struct ns_guest {
    /* set by the owner before ns_vm_add() */
    const struct ns_guest_ops *ops;
    const char *name; /* unique; kept */
    uint64_t key;     /* larger than that of all before it */
    /* the tree's */
    struct list link;
    char error[NS_WHY_MAX]; /* of the last command; "": it worked */
};

struct ns_vm {
    /* set before ns_vm_init(); both may be NULL: nothing can be made here */
    err_t (*command)(struct ns_vm *, char *text, char *why); /* a write to the tree's own ctl */
    err_t (*make)(struct ns_vm *, const char *name, char *why);
    err_t (*drop)(struct ns_vm *, struct ns_guest *, char *why);
    /* the tree's */
    struct tree tree; /* give &tree.fs to servers */
    struct list guests;
    char error[NS_WHY_MAX];
};

void ns_vm_init(struct ns_vm *);
void ns_vm_add(struct ns_vm *, struct ns_guest *);
void ns_vm_remove(struct ns_guest *); /* readers of its files get ENOENT */
struct ns_guest *ns_vm_find(struct ns_vm *, const char *name); /* NULL: none */
/* Ends the first word of a line and returns what follows without leading blanks. */
char *ns_word(char *line);
