/* The libos' start, and the events it is told of. */
#include "base/fmt.h"
#include "libos/file.h"
#include "libos/load.h"
#include "libos/sys.h"
#include "libos/sched.h"
#include "libos/sock.h"
#include "libos/syscall.h"
#include "libos/user.h"
#include "libos/vma.h"

/* struct app_cpu cpu0 is in entry.S: its stack_top is an address, which C does not let stand in an initialised integer */
const struct app_boot *boot;
app_addr_t gate_entry, bell_entry;

NORETURN void libos_main(const struct app_boot *);

static void log_text(const char *fmt, va_list ap)
{
    char line[512];
    size_t n = fmt_vtext(line, sizeof line, fmt, ap);

    gate((uint64_t)line, min_size(n, sizeof line - 1), 0, 0, 0, APP_LOG);
}

void log_line(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_text(fmt, ap);
    va_end(ap);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_text(fmt, ap);
    va_end(ap);
    libos_exit(APP_EXIT_SIGNAL + SIGABRT);
}

void libos_exit(uint32_t status)
{
    net_flush();
    for (;;)
        gate(status, 0, 0, 0, 0, APP_EXIT);
}

bool events_take(void)
{
    struct app_cpu *c = cpu_self()->app;
    uint32_t events;
    uint64_t signals;

    if (!__atomic_load_n(&c->pending, __ATOMIC_RELAXED) || !__atomic_exchange_n(&c->pending, 0, __ATOMIC_SEQ_CST))
        return false;
    events = __atomic_exchange_n(&c->events, 0, __ATOMIC_SEQ_CST);
    if (events & APP_EVENT_CHANNEL)
        p9_collect();
    if (events & APP_EVENT_TIMER)
        thread_timer_event();
    if (events & APP_EVENT_SIGNAL) {
        signals = __atomic_exchange_n(&c->signals, 0, __ATOMIC_SEQ_CST);
        for (int n = 1; n < 64; n++)
            if (signals & 1ull << (n - 1))
                signal_post(NULL, n, NULL);
    }
    return true;
}

static void files_init(void)
{
    const char *what = "mounts";
    int e;

    limits_init();
    user_init();
    e = node_init();

    if (!e) {
        what = "/dev";
        e = dev_init();
    }
    if (!e) {
        what = "/proc";
        e = proc_init();
    }
    if (e)
        panic("%s could not be made: error %d", what, -e);
    cwd_start();
    umask_bits = boot->umask;
    for (unsigned fd = 0; fd < 3; fd++) {
        struct file *f = tty_file(fd);
        if (!f || fd_new(f, false, 0) < 0)
            panic("no memory for the standard files");
    }
}

static void trace_asked(void)
{
    static const char name[] = "GOBLIN_TRACE=";
    const char *s = (const char *)boot->strings;

    for (uint32_t i = 0; i < boot->argc + boot->envc; i++, s += strlen(s) + 1)
        if (i >= boot->argc && str_starts(s, name))
            syscall_trace(true);
}

/* The program's first thread. */
static void program_start(const char *path)
{
    static struct program p;
    struct program_args args = { (const char *)boot->strings, boot->strings_size, boot->argc, boot->envc };
    struct thread *t;
    struct regs r;
    int e = program_find(path, &args, &p);

    if (!e)
        e = program_map(&p, &r);
    if (e) {
        log_line("%s: %s", path, e == -ENOENT ? "no such file" : e == -ENOEXEC ? "not a program for this machine" : e == -EACCES ? "not executable" :
                                e == -ENOMEM ? "not enough memory" : "cannot be loaded");
        libos_exit(e == -ENOENT ? 127 : 126);
    }
    program_free(&p);
    t = thread_new(&r);
    if (!t)
        panic("no memory for the first thread");
    thread_name(t, path);
    thread_fpu_fresh(t);
    thread_ready(t);
}

/* On the stack of what becomes the boot CPU's idle thread: calls that wait are made before the program's first thread exists. */
void libos_main(const struct app_boot *b)
{
    boot = b;
    gate_entry = b->gate;
    bell_entry = b->bell;
    cpus_init();
    if (b->magic != APP_MAGIC || b->version != APP_VERSION)
        libos_exit(APP_EXIT_SIGNAL + SIGABRT);
    mem_init(b->free - MIB(8), b->free);
    vma_init(b->free - MIB(8));
    random_init(b->seed, sizeof b->seed);
    threads_init();
    files_init();
    trace_asked();
    syscall_plain();
    program_start(b->program);
    thread_idle();
}
