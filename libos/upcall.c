/* Upcalls: what the processor reports while the program runs, or, by mistake, the libos. entry.S calls them. */
#include "libos/syscall.h"
#include "libos/vma.h"

extern const uint8_t user_copy_end[], user_copy_fault[], pending_short[], pending_full[], pending_full_next[];

static void page_fault(struct regs *r)
{
    uint32_t need = r->error & 2 ? PROT_WRITE : r->error & 16 ? PROT_EXEC : PROT_READ;
    const struct vma *v;
    uint64_t at;

    if (maps_flush())
        return;
    at = (uint64_t)gate(0, 0, 0, 0, 0, APP_FAULT);
    v = vma_find(at);

    /* the processor may have remembered less than is allowed now: then it is enough to try again */
    if (v && (v->prot & need || (need == PROT_READ && v->prot))) {
        if (vma_fault(at))
            signal_fault(SIGBUS, BUS_ADRERR, at);
        return;
    }
    signal_fault(SIGSEGV, v ? SEGV_ACCERR : SEGV_MAPERR, at);
}

/* Which of the floating-point exceptions that are not masked it was. */
static int float_code(bool x87)
{
    static const uint8_t codes[6] = { FPE_FLTINV, FPE_FLTUND, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES }; /* by bits: the first that is set */
    uint32_t mxcsr, raised;
    uint16_t control, state;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    __asm__ volatile("fnstsw %0" : "=m"(state));
    raised = x87 ? state & ~(uint32_t)control : mxcsr & ~(mxcsr >> 7);
    return raised & 63 ? codes[__builtin_ctz(raised & 63)] : 0;
}

static void exception(struct regs *r)
{
    static const struct { uint8_t vector, signal, code; } rows[] = {
        { 0, SIGFPE, FPE_INTDIV }, { 1, SIGTRAP, 2 }, { 3, SIGTRAP, SI_KERNEL }, { 4, SIGSEGV, SI_KERNEL }, { 5, SIGSEGV, SI_KERNEL },
        { 6, SIGILL, ILL_ILLOPN }, { 12, SIGBUS, SI_KERNEL }, { 16, SIGFPE, 0 }, { 17, SIGBUS, BUS_ADRALN }, { 19, SIGFPE, 0 },
    };
    int n = SIGSEGV, code = SI_KERNEL;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].vector == r->vector) {
            n = rows[i].signal;
            code = rows[i].code;
        }
    if (n == SIGFPE && r->vector)
        code = float_code(r->vector == 16);
    signal_fault(n, code, n == SIGSEGV || n == SIGTRAP ? 0 : r->rip);
}

/* A `syscall` that was not rewritten: it trapped, rip is at it. */
static void syscall_missed(struct regs *r)
{
    r->vector = 256;
    r->error = r->rax;
    r->rip += 2;
    r->rcx = r->rip;
    r->r11 = r->rflags;
    syscall_run(r);
}

static bool is_syscall(uint64_t rip)
{
    uint8_t code[2];

    return !user_read(code, rip, sizeof code) && code[0] == 0x0F && code[1] == 0x05;
}

static bool sled_gone;

void sled_drop(void)
{
    if (!sled_gone)
        gate(APP_SLED, PAGE_SIZE, 0, 0, 0, APP_UNMAP);
    sled_gone = true;
}

/* A number too large for the sled, or there is no sled: `call *%rax` went somewhere in page 0, or where nothing is. */
static bool could_be_number(uint64_t n) /* and not the address of a function that is not there */
{
    return n < APP_LIBOS || n >= (uint64_t)-4096 || (n >= 0x40000000 && n < 0x40001000); /* the last: x32 */
}

static bool wild_number(struct regs *r)
{
    uint64_t back;
    uint8_t code[2];

    if ((r->rax <= SLED_END && !sled_gone) || !could_be_number(r->rax) || (r->rip != r->rax && r->rip != r->rax + 1) || user_read(&back, r->rsp, sizeof back) ||
        user_read(code, back - 2, sizeof code) || code[0] != 0xFF || code[1] != 0xD0)
        return false;
    r->vector = 256;
    r->error = r->rax;
    r->rip = back;
    r->rsp += 8;
    syscall_run(r);
    return true;
}

/* entry.S: an upcall while the program ran. */
void upcall_program(struct regs *r)
{
    libos_lock();
    if (r->rip == (uint64_t)pending_short) {
        r->rip = r->rcx;
        r->vector = APP_VEC_EVENT;
    } else if (r->rip == (uint64_t)pending_full) {
        r->rip = (uint64_t)pending_full_next;
        r->vector = APP_VEC_EVENT;
    } else if ((r->vector == 3 || r->vector == 14 || r->vector == 13) && wild_number(r)) {
        /* done */
    } else if (r->vector == 14) {
        page_fault(r);
    } else if (r->vector == 6 && is_syscall(r->rip)) {
        syscall_missed(r);
    } else if (r->vector != APP_VEC_EVENT) {
        exception(r);
    }
    if (tracing && r->vector < 32)
        log_line("exception %llu at %#llx, error %#llx, address %#llx", (unsigned long long)r->vector, (unsigned long long)r->rip,
                 (unsigned long long)r->error, (unsigned long long)gate(0, 0, 0, 0, 0, APP_FAULT));
    program_resume(r, true);
}

/* entry.S: a fault in the libos. Only copies from and to the program may. */
void upcall_libos(struct regs *r)
{
    if (r->vector == 14 && maps_flush())
        return;
    if (r->vector == 14 && r->rip >= (uint64_t)user_copy && r->rip < (uint64_t)user_copy_end) {
        r->rip = (uint64_t)user_copy_fault;
        return;
    }
    panic("exception %llu in the libos at %#llx, error %#llx, address %#llx", (unsigned long long)r->vector, (unsigned long long)r->rip,
          (unsigned long long)r->error, (unsigned long long)gate(0, 0, 0, 0, 0, APP_FAULT));
}
