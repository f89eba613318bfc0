/* /dev/template: who opens it says that the program is as far as a template of it shall be. In a guest that is to become one nothing
 * goes on behind that point but in its clones, each of which finds its own words in the file: its name and its arguments, each with an ending 0.
 * In any other guest the file is empty. docs/template.md is the page.
 *
 * A clone has the memory of its template and nothing else of it: no connection to the monitor, no other CPU, no timer. So whatever the
 * program has that would not survive is looked for before. */
#include "libos/node.h"
#include "libos/sock.h"
#include "libos/sys.h"
#include "libos/syscall.h"

static bool in_the_way(const char *what)
{
    log_line("no template: %s", what);
    return true;
}

static bool node_in_the_way(struct node *n, const char *what)
{
    static char path[PATH_MAX];

    log_line("no template: %s %s", node_path(n, path, sizeof path) < 0 ? n->name : path, what);
    return true;
}

/* Whether something below a mount's root is held or changed; counts the fids of what is not. */
static bool below_busy(const struct node *dir, uint32_t *fids)
{
    for (struct node *n = dir->children; n; n = n->next) {
        *fids += (n->fid != NINEP_NOFID && n->m == dir->m) + (n->open_fid != NINEP_NOFID);
        if (n->mounted)
            continue;
        if (n->refs > (n == cwd))
            return node_in_the_way(n, "is open or mapped");
        if (n->memory)
            return node_in_the_way(n, "was changed in memory only");
        if (below_busy(n, fids))
            return true;
    }
    return false;
}

static bool mount_busy(const struct mount *m)
{
    uint32_t known = 1 + DEV_FIDS, used = 0;

    if (m->flags & APP_MOUNT_NET)
        return false;
    if (m->at) {
        known = 2; /* the attach's, and the root's own */
        if (m->at->refs > (m->at == cwd))
            return node_in_the_way(m->at, "is open");
        if (below_busy(m->at, &known))
            return true;
    }
    for (uint32_t i = 0; m->client.fids && i < m->client.nfids / 64; i++)
        used += (uint32_t)__builtin_popcountll(m->client.fids[i]);
    return used == known ? false : in_the_way(m->flags & APP_MOUNT_DEV ? "it shares memory" : "a file without a name is open or mapped");
}

static bool busy(void)
{
    if (!boot->image)
        return in_the_way("its root is not an image");
    if (thread_count > 1)
        return in_the_way("it has other threads");
    if (timers_next())
        return in_the_way("a timer runs");
    if (!net_idle())
        return in_the_way("a socket of the network is open");
    for (unsigned i = 0; i < nmounts; i++)
        if (mount_busy(&mounts[i]))
            return true;
    return false;
}

/* What the boot record says is new. All that is the same in all clones comes before the second call, which returns when somebody wants this one, and who
 * it is stands in the record. */
static void renew(void)
{
    int e;

    random_init(boot->seed, sizeof boot->seed);
    net_forget();
    node_get(root_node);
    node_put(cwd);
    cwd = root_node;
    e = mounts_renew();
    if (!e)
        e = dev_attach();
    if (e) {
        log_line("the clone cannot have its files: error %d", -e);
        libos_exit(126);
    }
    cwd_start();
    ended_ns = 0;
    proc_renumber();
    syscall_plain();
    gate(0, 0, 0, 0, 0, APP_TEMPLATE);
    dev_terminals();
    thread_born();
}

int template_open(struct node *, struct file *f)
{
    const char *words = (const char *)boot->strings;

    if (boot->flags & APP_BOOT_TEMPLATE) {
        if (busy())
            return -EBUSY;
        if (thread_freeze() == 1) {
            renew();
            for (uint32_t i = 0; i < boot->argc; i++)
                f->text_len += strlen(words + f->text_len) + 1;
        }
    }
    f->text = mem_get(f->text_len + 1);
    if (!f->text)
        return -ENOMEM;
    memcpy(f->text, words, f->text_len);
    return 0;
}
