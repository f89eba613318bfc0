/* Signals: pending sets, frames on the program's stack as Linux makes them, and the way back. */
#include "libos/signal.h"
#include "libos/alarm.h"
#include "libos/thread.h"

#define IGNORED (BIT_OF(SIGCHLD) | BIT_OF(SIGURG) | BIT_OF(SIGWINCH) | BIT_OF(SIGCONT))
#define STOPS (BIT_OF(SIGSTOP) | BIT_OF(SIGTSTP) | BIT_OF(SIGTTIN) | BIT_OF(SIGTTOU))
#define RED_ZONE 128u
#define FP_XSTATE 0x46505853u  /* as the kernel marks a frame with more than 512 bytes of vector state */
#define FP_XSTATE_END 0x46505845u

struct sigaction actions[SIGNALS];
static uint64_t process_pending;
#define QUEUED_MAX 8192u
#define REAL_TIME 32 /* signals from here on are kept each, the others once */
static struct queued {
    struct queued *next;
    const struct thread *to; /* NULL: the process */
    struct siginfo info;
} *queue; /* in the order they came */
static unsigned queued;

bool signal_ignored(int n)
{
    return actions[n].sa_handler == SIG_IGN || (actions[n].sa_handler == SIG_DFL && BIT_OF(n) & (IGNORED | STOPS));
}

bool signal_wanted(const struct thread *t) { return (t->pending | process_pending) & ~t->mask || thread_doomed(t); }

uint64_t signal_pending(const struct thread *t) { return t->pending | process_pending; }

/* Its place in the queue; NULL: there is none. */
static struct queued **queue_find(const struct thread *to, int n)
{
    for (struct queued **at = &queue; *at; at = &(*at)->next)
        if ((*at)->to == to && (*at)->info.signo == n)
            return at;
    return NULL;
}

static void queue_remove(struct queued **at)
{
    struct queued *q = *at;

    *at = q->next;
    queued--;
    mem_put(q);
}

/* Without memory it is told without what came with it. */
static void queue_put(const struct thread *to, int n, const struct siginfo *info)
{
    struct queued **at = &queue, *q = queued < QUEUED_MAX ? mem_get(sizeof *q) : NULL;

    if (!q)
        return;
    *q = (struct queued){ .to = to, .info = info ? *info : (struct siginfo){ .code = SI_KERNEL } };
    q->info.signo = n;
    while (*at)
        at = &(*at)->next;
    *at = q;
    queued++;
}

bool signal_full(void) { return queued >= QUEUED_MAX; }

/* Who can take what is for the process; NULL: all mask it. */
static struct thread *taker(int n)
{
    list_each (l, &threads)
        if (!(container_of(l, struct thread, all)->mask & BIT_OF(n)))
            return container_of(l, struct thread, all);
    return NULL;
}

void signal_post(struct thread *t, int n, const struct siginfo *info)
{
    uint64_t *pending = t ? &t->pending : &process_pending;
    const struct thread *first = t ? t : list_empty(&threads) ? NULL : container_of(threads.next, struct thread, all);

    if (signal_ignored(n) && !(first && first->mask & BIT_OF(n)))
        return;
    if (!(*pending & BIT_OF(n)) || n >= REAL_TIME)
        queue_put(t, n, info);
    *pending |= BIT_OF(n);
    signalfd_tell();
    t = t ? t : taker(n);
    if (t) {
        thread_ready(t);
        thread_poke(t);
    }
}

/* Takes one that may be delivered; 0: none. Faults first. */
int signal_take(uint64_t among, struct siginfo *info)
{
    uint64_t sync = BIT_OF(SIGSEGV) | BIT_OF(SIGBUS) | BIT_OF(SIGILL) | BIT_OF(SIGFPE) | BIT_OF(SIGTRAP);
    uint64_t can = (current->pending | process_pending) & among, *pending;
    const struct thread *to;
    struct queued **at;
    int n;

    if (!can)
        return 0;
    n = __builtin_ctzll(can & sync ? can & sync : can) + 1;
    to = current->pending & BIT_OF(n) ? current : NULL;
    pending = to ? &current->pending : &process_pending;
    at = queue_find(to, n);
    *info = at ? (*at)->info : (struct siginfo){ .signo = n, .code = SI_USER };
    if (at)
        queue_remove(at);
    if (!queue_find(to, n))
        *pending &= ~BIT_OF(n);
    if (info->code == SI_TIMER)
        posix_timer_taken(info);
    return n;
}

void signal_forget(const struct thread *t, int n)
{
    for (struct queued **at = &queue; *at;) {
        if (t ? (*at)->to == t : (*at)->info.signo == n)
            queue_remove(at);
        else
            at = &(*at)->next;
    }
    if (t)
        return;
    process_pending &= ~BIT_OF(n);
    list_each (l, &threads)
        container_of(l, struct thread, all)->pending &= ~BIT_OF(n);
}

void signal_fault(int n, int code, uint64_t address)
{
    struct siginfo info = { .signo = n, .code = code, .field = { address } };
    struct queued **at = queue_find(current, n);

    if (current->mask & BIT_OF(n) || actions[n].sa_handler == SIG_IGN) { /* it cannot wait, nor be ignored */
        actions[n].sa_handler = SIG_DFL;
        current->mask &= ~BIT_OF(n);
    }
    if (at)
        queue_remove(at); /* it comes first */
    queue_put(current, n, &info);
    current->pending |= BIT_OF(n);
}

/* --- frames --------------------------------------------------------------------------------------------------------------- */
struct frame {
    uint64_t ret;
    struct ucontext uc;
    struct siginfo info;
};

bool on_altstack(uint64_t sp)
{
    const struct sigstack *a = &current->altstack;

    return !(a->flags & SS_DISABLE) && sp > a->sp && sp - a->sp <= a->size;
}

static void context_fill(struct sigcontext *c, const struct regs *r, uint64_t fpstate)
{
    *c = (struct sigcontext){ r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,    r->rdi,         r->rsi,
                              r->rbp, r->rbx, r->rdx, r->rax, r->rcx, r->rsp, r->rip, r->rflags, (uint16_t)r->cs, 0,
                              0,      0x2B,   r->vector < 32 ? r->error : 0, r->vector < 32 ? r->vector : 0, current->mask, 0, fpstate, { 0 } };
}

/* Vector registers go straight from the processor to the program's stack. 0 or -EFAULT. */
static int fpu_put(uint64_t at)
{
    uint32_t marks[5] = { FP_XSTATE, fpu_size + 4, (uint32_t)fpu_mask, (uint32_t)(fpu_mask >> 32), fpu_size };
    uint32_t end = FP_XSTATE_END;
    uint8_t *area = mem_get(fpu_size + 64);
    int e;

    if (!area)
        return -EFAULT;
    fpu_save((void *)align_up((uint64_t)area, 64), fpu_mask);
    e = user_write(at, (void *)align_up((uint64_t)area, 64), fpu_size);
    mem_put(area);
    if (!e)
        e = user_write(at + 464, marks, sizeof marks);
    return e ? e : user_write(at + fpu_size, &end, sizeof end);
}

/* A handler starts with vector registers as a program does: no state marked as in use, x87's and SSE's exceptions masked. */
static const uint8_t fpu_first[576] __attribute__((aligned(64))) = { [0] = 0x7F, [1] = 0x03, [24] = 0x80, [25] = 0x1F };

static int frame_push(struct regs *r, int n, const struct siginfo *info)
{
    const struct sigaction *a = &actions[n];
    struct frame f = { .ret = (uint64_t)a->sa_restorer, .info = *info };
    uint64_t sp = r->rsp - RED_ZONE, fp;

    if (a->sa_flags & SA_ONSTACK && !(current->altstack.flags & SS_DISABLE) && !on_altstack(r->rsp))
        sp = current->altstack.sp + current->altstack.size;
    fp = (sp - fpu_size - 4) & ~63ull;
    sp = ((fp - sizeof f) & ~15ull) - 8;
    if (fpu_put(fp))
        return -EFAULT;
    f.uc.flags = 7; /* vector state, ss is right */
    f.uc.stack = current->altstack;
    context_fill(&f.uc.mc, r, fp);
    if (info->signo == SIGSEGV || info->signo == SIGBUS)
        f.uc.mc.cr2 = info->field[0];
    f.uc.sigmask = current->restore_mask ? current->saved_mask : current->mask;
    current->restore_mask = false;
    if (user_write(sp, &f, sizeof f))
        return -EFAULT;
    fpu_load(fpu_first, fpu_mask);
    r->rsp = sp;
    r->rip = (uint64_t)a->sa_handler;
    r->rdi = (uint64_t)n;
    r->rsi = sp + offsetof(struct frame, info);
    r->rdx = sp + offsetof(struct frame, uc);
    r->rax = 0;
    r->rflags &= ~(BIT64(10) | BIT64(8)); /* DF, TF */
    r->vector = 256;
    r->error = ~0ull;
    return 0;
}

static void die(int n) { libos_exit(APP_EXIT_SIGNAL + (uint32_t)n); }

/* A system call that a signal cut short: again, or EINTR. */
static void restart(struct regs *r, bool again)
{
    if (r->vector != 256 || (int64_t)r->rax != -ERESTARTSYS)
        return;
    if (again) {
        r->rax = r->error;
        r->rip -= 2;
    } else {
        r->rax = (uint64_t)-EINTR;
    }
}

static void handlers_start(struct regs *r)
{
    struct siginfo info;
    int n;

    while ((n = signal_take(~current->mask, &info))) {
        struct sigaction *a = &actions[n];
        if (signal_ignored(n))
            continue;
        if (a->sa_handler == SIG_DFL)
            die(n);
        restart(r, a->sa_flags & SA_RESTART);
        if (frame_push(r, n, &info)) {
            actions[SIGSEGV].sa_handler = SIG_DFL;
            die(SIGSEGV);
        }
        current->mask |= a->sa_mask | (a->sa_flags & SA_NODEFER ? 0 : BIT_OF(n));
        current->mask &= ~UNBLOCKABLE;
        if (a->sa_flags & SA_RESETHAND)
            a->sa_handler = SIG_DFL;
    }
}

void signal_deliver(struct regs *r)
{
    handlers_start(r);
    restart(r, true);
    if (current->restore_mask) { /* what the call's own mask kept back comes now */
        current->mask = current->saved_mask;
        current->restore_mask = false;
        handlers_start(r);
    }
}

/* rt_sigreturn: the frame's registers, all of them. */
int64_t signal_return(struct regs *r)
{
    struct ucontext uc;
    const struct sigcontext *c = &uc.mc;
    uint64_t sp = r->rsp;
    uint8_t *area = mem_get(fpu_size + 64);

    if (!area || user_read(&uc, sp, sizeof uc))
        die(SIGSEGV);
    if (c->fpstate && !user_read((void *)align_up((uint64_t)area, 64), c->fpstate, fpu_size)) {
        uint8_t *a = (uint8_t *)align_up((uint64_t)area, 64);
        uint64_t bv;
        memcpy(&bv, a + 512, sizeof bv); /* the header must be one the processor takes */
        bv &= fpu_mask;
        memset(a + 512, 0, 64);
        memcpy(a + 512, &bv, sizeof bv);
        a[26] = a[27] = 0; /* reserved bits of MXCSR */
        fpu_load(a, fpu_mask);
    }
    mem_put(area);
    *r = (struct regs){ .r8 = c->r8, .r9 = c->r9, .r10 = c->r10, .r11 = c->r11, .r12 = c->r12, .r13 = c->r13, .r14 = c->r14, .r15 = c->r15,
                        .rdi = c->rdi, .rsi = c->rsi, .rbp = c->rbp, .rbx = c->rbx, .rdx = c->rdx, .rax = c->rax, .rcx = c->rcx,
                        .rsp = c->rsp, .rip = c->rip, .rflags = (c->eflags & 0xDD5) | 0x202, .cs = 0x33, .ss = 0x2B, .vector = 257,
                        .error = ~0ull };
    current->mask = uc.sigmask & ~UNBLOCKABLE;
    current->altstack = uc.stack;
    current->altstack.flags &= SS_DISABLE;
    return (int64_t)r->rax;
}

void signals_reset(void)
{
    for (int n = 1; n < SIGNALS; n++)
        actions[n] = (struct sigaction){ .sa_handler = actions[n].sa_handler == SIG_IGN ? SIG_IGN : SIG_DFL };
    current->altstack = (struct sigstack){ .flags = SS_DISABLE };
}
