#pragma once
/* Open files, the nodes of the file tree, and the 9P mounts below it.
 *
 * A node is a name's file. It comes from a mount (fid), and what is known of it is kept: trees under APP_MOUNT_LAYER or
 * APP_MOUNT_READONLY are taken to stay as they are. Under a layer, whatever is written lives in the node itself; in a mount that
 * may be written, everything goes to the server. Devices and /proc are nodes with operations of their own. */
#include <linux/inotify.h>
#include "libos/thread.h"
#include "ninep/client.h"

/* --- p9.c --- */
struct mount {
    struct ninep_client client;
    struct app_channel *channel;
    unsigned number;
    uint32_t flags; /* APP_MOUNT_* */
    uint32_t dev;   /* st_dev */
    uint32_t root;  /* fid */
    struct rpc *attach; /* under way since p9_mount() */
    struct node *at;    /* its root in the guest's tree, or NULL */
    struct list held;   /* nodes with fids, the longest unused first */
};
struct rpc {
    struct ninep_answer a; /* its texts and data are good until the next p9_post() */
    struct thread *thread;
    bool done;
    int error;             /* -errno */
    void (*notify)(struct rpc *); /* or NULL */
};
/* Version, and attach, which goes with the next question: p9_mounted() waits for it. */
int p9_mount(struct mount *, unsigned number, const struct app_mount *);
int p9_mounted(struct mount *);
void p9_forget(struct mount *); /* the server knows nothing of it any more */
int p9_post(struct mount *, struct ninep_msg *, struct rpc *); /* writes it to the ring; 0 or -errno */
void p9_kick(struct mount *);
int p9_finish(struct rpc *); /* waits; the error */
int p9_call(struct mount *, struct ninep_msg *, struct rpc *); /* the three above */
int p9_tell(struct mount *, struct ninep_msg *);               /* the same, where only the error counts */
#define p9_do(m, ...) p9_tell(m, &(struct ninep_msg){ __VA_ARGS__ })
/* Opens what has that name in the mount's root: a walk and an open, posted together; many may go with one kick. */
struct opening {
    struct rpc walk, open;
};
int p9_open_post(struct mount *, struct opening *, const char *name, uint32_t flags, uint32_t *fid);
int p9_open_finish(struct opening *);
int p9_open(struct mount *, const char *name, uint32_t flags, uint32_t *fid); /* all of it */
void p9_collect(void); /* takes all answers out of all rings */
extern struct mount mounts[APP_CHANNELS];
extern unsigned nmounts;

/* --- node.c, walk.c, name.c, dirlist.c, mount.c --- */
struct node_ops;
struct node {
    struct node *parent, *children, *next; /* next: of the parent's children */
    struct node *real; /* this is one more name (hard link) of that file, and nothing else of it counts; or NULL */
    struct node *hash;
    char *name;
    uint32_t refs; /* open files, working directory */
    bool negative; /* there is no such file, and that is known */
    bool gone;     /* its name was removed */
    bool memory;   /* data is all here */
    bool mounted;  /* a mount's root */
    bool away;     /* it has given up its fid, and gets another by its name: node_fid() */
    bool moved;    /* in a layer: the server has it under another name, so it keeps its fid */
    uint32_t mode, uid, gid, nlink;
    uint64_t ino, size, rdev, blocks; /* blocks: of 512 bytes, as the server told */
    struct timespec atime, mtime, ctime;
    struct mount *m; /* NULL: only in memory */
    uint32_t fid, open_fid; /* NINEP_NOFID: none */
    struct list held;       /* in its mount's list, while it has a fid that it may give up */
    uint32_t open_flags;
    char *link;             /* a symbolic link's target */
    uint8_t **pages;        /* of CHUNK bytes; NULL: zeros */
    uint64_t npages;
    uint8_t *window;        /* of a large file: the last bytes read */
    uint64_t window_at;
    uint32_t window_len, window_room;
    struct object *object;  /* data is in memory that can be mapped (object.c), not in pages */
    struct lock *locks;     /* lock.c */
    bool sealable;          /* a memfd that was made so */
    uint32_t seals;         /* F_SEAL_* */
    struct erofs_inode *lower; /* its file in the image (image.c), or NULL */
    const struct node_ops *ops;
    struct waitq wait;      /* of whoever polls it */
    uint64_t arg;           /* the operations' */
};
#define CHUNK (KIB(4) - 16) /* a block of 4 KiB with its head */

struct file;
/* What devices and /proc do differently. */
struct node_ops {
    int (*open)(struct node *, struct file *);                 /* may be NULL */
    int64_t (*text)(struct node *, char *to, size_t room);     /* a whole text, made when opened; or NULL */
    int64_t (*follow)(struct node *, char *to, size_t room);   /* a link made on demand */
    struct node *(*jump)(struct node *);                       /* a link that leads to that node itself; NULL: by its text */
    int (*lookup)(struct node *, const char *name, struct node **);
    int (*list)(struct node *, unsigned i, char *name, uint32_t *mode); /* -ENOENT at the end */
};

extern struct node *root_node;
int node_init(void);
/* In a clone: all that was known by mounts is forgotten, and those of the boot record are made. 0 or -errno. */
int mounts_renew(void);
/* Finds what path names. last: where to write the last name if it need not exist (*out is then its directory, *child NULL or the node). */
enum { WALK_NOFOLLOW = 1, WALK_PARENT = 2, WALK_DIR = 4 };
int node_walk(struct node *from, const char *path, unsigned flags, struct node **out, struct node **child, char *last);
int node_make(struct node *dir, const char *name, uint32_t mode, struct node **out); /* a new file, directory or other node */
struct node *node_add(struct node *dir, const char *name, uint32_t mode);            /* in memory, without checks */
struct node *node_cover(struct node *dir, const char *name); /* an empty directory in memory in its place */
/* These three take a name as WALK_PARENT gives it: node_real() is its file. */
int node_unlink(struct node *dir, struct node *name, bool directory);
int node_rename(struct node *from, struct node *n, struct node *to, const char *name, struct node *over);
int node_exchange(struct node *a, struct node *b);
int node_symlink(struct node *dir, const char *name, const char *target);
int node_link(struct node *file, struct node *dir, const char *name); /* one more name */
int node_nameless(const char *text, struct node *like, uint32_t mode, struct node **out); /* in memory; goes with its last hold */
int node_stat(struct node *, struct stat *);
int node_refresh(struct node *); /* size and times, where others may have changed them */
int node_truncate(struct node *, uint64_t size);
int node_setattr(struct node *, const struct ninep_attr *, uint32_t set);
int64_t node_read(struct node *, void *user, uint64_t len, uint64_t at);
int64_t node_write(struct node *, const void *user, uint64_t len, uint64_t at);
int node_link_text(struct node *, char *to, size_t room);
int64_t node_path(struct node *, char *to, size_t room); /* the length; ends with 0 */
static inline void node_get(struct node *n) { n->refs++; }
void node_put(struct node *);
static inline struct node *node_real(struct node *n) { return n->real ? n->real : n; }
static inline bool node_is(const struct node *n, uint32_t kind) { return (n->mode & S_IFMT) == kind; }
bool node_may_write(const struct node *);
struct dirlist {
    uint32_t n, room;
    struct dirent_row {
        uint64_t ino;
        uint8_t type;
        char *name;
    } *row;
};
int node_list(struct node *, struct dirlist *);
void dirlist_free(struct dirlist *);
int node_open(struct node *, uint32_t flags); /* for p9 files: sees that it may be read or written */

/* --- file.c, fd.c: open files and the table of descriptors --- */
struct file_ops {
    int64_t (*read)(struct file *, user_t to, uint64_t len, uint64_t *pos);
    int64_t (*write)(struct file *, user_t from, uint64_t len, uint64_t *pos);
    uint32_t (*poll)(struct file *);                  /* POLL* that hold now */
    int64_t (*ioctl)(struct file *, uint64_t request, user_t arg);
    void (*close)(struct file *);
};
struct file {
    const struct file_ops *ops;
    struct node *node; /* NULL for pipes and their like */
    uint32_t refs, flags;
    uint64_t pos;
    uint32_t mode;      /* st_mode of what has no node; 0: an anonymous file */
    struct async *async; /* async.c; or NULL */
    struct waitq *wait; /* woken when poll() may have changed; NULL: always ready */
    void *data;         /* the operations' */
    struct dirlist *list;
    char *text;
    uint64_t text_len;
};
#define FILES_MAX 65536 /* descriptors */

struct file *file_new(const struct file_ops *, uint32_t flags);
static inline void file_get(struct file *f) { f->refs++; }
void file_free(struct file *);
static inline void file_put(struct file *f)
{
    if (!--f->refs)
        file_free(f);
}
struct file *fd_file(uint64_t fd); /* NULL: EBADF */
struct file *fd_held(uint64_t fd); /* the same, and NULL for one with O_PATH */
struct file *fd_for(uint64_t fd, bool out, int64_t *e); /* to be read or written. *e: 0, -EBADF, or -EINVAL: that cannot be */
int64_t fd_new(struct file *, bool cloexec, uint64_t from); /* takes the caller's hold on it, also on error */
/* A new file of no node on data, which is its own from now on, also on error: its descriptor. data NULL: -ENOMEM. */
int64_t fd_special(const struct file_ops *, void *data, struct waitq *, uint32_t flags);
int64_t fd_pair(struct file *const f[2], bool cloexec, user_t to); /* two at once: their numbers are written to `to`, or there are none */
int64_t fd_close(uint64_t fd);
int64_t fd_dup_to(uint64_t from, uint64_t to, bool cloexec);
bool fd_flag(uint64_t fd, int set); /* close-on-exec; set < 0: only asks */
uint64_t fd_next(uint64_t from);    /* the first open one, FILES_MAX: none */
int file_open(struct node *from, const char *path, uint32_t flags, uint32_t mode, struct file **out);
struct file *file_nameless(struct node *, uint32_t flags); /* of a new node */
int64_t file_read_at(struct file *, void *to, uint64_t len, uint64_t offset); /* zeros behind the end */
int64_t file_map_direct(struct file *, uint64_t addr, uint64_t len, unsigned prot, bool shared, uint64_t offset);
bool file_in_image(const struct file *); /* and unchanged. NULL: no */
bool file_rewritten(const struct file *); /* so, and its system calls are calls already */
extern struct node *cwd;
void cwd_start(void); /* where the boot record says, or the root */
extern uint32_t umask_bits;
enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_STACK = 3, RLIMIT_CORE, RLIMIT_NPROC = 6, RLIMIT_NOFILE, RLIMIT_AS = 9, RLIMIT_NICE = 13, RLIMIT_RTPRIO, RLIMITS = 16 };
extern uint64_t limits[RLIMITS][2]; /* what may be and what may be set; UINT64_MAX: any */

/* --- lock.c --- */
enum lock_op { LOCK_GET, LOCK_TRY, LOCK_WAIT };
int64_t lock_fcntl(struct file *, enum lock_op, bool ofd, user_t flock);
void locks_drop(struct node *, const struct file *owner); /* owner NULL: the process' */

/* --- async.c --- */
int64_t async_set(struct file *, uint64_t fd, bool on); /* O_ASYNC */
int64_t async_fcntl(struct file *, uint64_t op, uint64_t arg);
bool async_asks(const struct file *, uint32_t request); /* whether async_ioctl() is for that */
int64_t async_ioctl(struct file *, uint64_t fd, uint32_t request, user_t arg);
void async_drop(struct file *);

/* --- inotify.c --- */
void inotify_tell(struct node *, uint32_t mask, const char *name, uint32_t cookie); /* to its own watchers */
void node_tell(struct node *, uint32_t mask); /* and to its directory's */
void name_tell(struct node *dir, const struct node *, const char *name, uint32_t mask, uint32_t cookie);

/* --- others --- */
int pipe_make(struct file *ends[2], uint32_t flags);
bool pipe_is(const struct file *);
int fifo_open(struct node *, struct file *);
int64_t pipe_size(const struct file *);
int64_t pipe_resize(struct file *, uint64_t bytes);
uint32_t pipe_peek(const struct file *, uint8_t *to, uint32_t len); /* a copy; nothing is taken */
int64_t pipe_ready(struct file *, bool nonblock); /* waits until bytes can pass: how many; 0: the end; -errno */
struct stat stat_nameless(const struct file *); /* what has no name: a pipe, a socket, an anonymous file */
int64_t file_wait(struct file *); /* for its queue, as read() and write() wait: 0, or -EAGAIN, -ERESTARTSYS */
int64_t file_await(struct file *, uint32_t events); /* the same, until its poll() says one of them */
void file_list_drop(struct file *);
int file_list(struct file *); /* sees to it that f->list has what is in the directory */
int dev_init(void);
int dev_attach(void); /* opens the monitor's devices: at the start, and in a clone */
void dev_terminals(void); /* which of them are terminals, as the boot record says */
#define DEV_FIDS 4u   /* they have so many fids */
int proc_init(void);
void proc_renumber(void); /* boot->pid is another */
int template_open(struct node *, struct file *); /* template.c */
struct file *tty_file(unsigned fd); /* the standard files */
struct mount *dev_mount(void);      /* the monitor's own devices */
bool file_is_zero(const struct file *); /* /dev/zero */
void object_put(struct node *); /* object.c; it may have none */
void epoll_forget(struct file *, uint64_t fd);
static inline uint32_t file_poll(struct file *f) { return f->ops->poll ? f->ops->poll(f) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; }
