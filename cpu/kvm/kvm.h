#pragma once
/* A user-mode machine on Linux' /dev/kvm: guest CPUs that only ever run at CPL 3, with page tables (tables.h), descriptor
 * tables and exception gates that the monitor lays out. Called by ground/linux, which owns the guest's memory.
 *
 * The machine needs nothing of the guest's but CPL 3 code: gates lead to CPL 3 handlers on a stack of their own (IST), `out`
 * reaches the monitor by IOPL and the port bitmap alike, `syscall` is off (EFER.SCE = 0) and so an invalid opcode. */
#include "abi/app.h"
#include "cpu/kvm/tables.h"

struct kvm_run;
struct kvm_cpuid2;

#define KVM_APP_PORT 0x47 /* `out %eax, $port` is the gate */
#define KVM_APP_BELL 0x48 /* and on this one the bell: KVM knows some of its numbers */
#define KVM_APP_CPUS 64
/* The arena of page tables begins with a page for the GDT and the IDT's page, and one TSS for each CPU in a half page. */
#define KVM_APP_SYSTEM ((2 + KVM_APP_CPUS / 8) * (uint64_t)PAGE_SIZE)

#define KVM_APP_RFLAGS 0x3202u /* interrupts on, IOPL 3 */

struct kvm_machine {
    int dev, vm;
    unsigned run_size;
    int slots;
    struct kvm_cpuid2 *cpuid;
    struct tables *tables;
    uint64_t missed; /* see struct app_image */
};

struct kvm_regs_app { /* of a stopped CPU, in the order of KVM's struct kvm_regs */
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags;
};

struct kvm_cpu {
    struct kvm_machine *m;
    int fd;
    unsigned number;
    struct kvm_run *run;
    struct kvm_regs_app *regs; /* valid after kvm_cpu_run(); call kvm_cpu_dirty() when changed */
    uint64_t root;             /* the page tables it uses */
};

enum kvm_stop { KVM_STOP_GATE, KVM_STOP_BELL, KVM_STOP_KICK, KVM_STOP_MEMORY, KVM_STOP_DEAD };

/* Why /dev/kvm cannot be used and what to do about it, in words; NULL: it can. */
const char *kvm_machine_missing(void);
/* Opens a machine with no memory. The tables' arena must be added before a CPU is. cpuid: see kvm_cpuid_get(). ERR_UNSUPPORTED, ERR_IO. */
MUST_USE err_t kvm_machine_init(struct kvm_machine *, struct tables *, const char *cpuid);
void kvm_machine_fini(struct kvm_machine *);
/* Another machine, empty, in place of one without CPUs: for a process that was forked from the one that had it. ERR_NOMEM. */
MUST_USE err_t kvm_machine_renew(struct kvm_machine *);
/* Makes host memory at `at` the guest-physical memory [gpa, gpa + len). It stays so. */
MUST_USE err_t kvm_machine_memory(struct kvm_machine *, uint64_t gpa, void *at, uint64_t len);
/* Where exceptions and stray `syscall`s enter the guest. Before the first CPU. */
void kvm_machine_gates(struct kvm_machine *, const struct app_image *);

/* From now on a guest's `number` on the bell's port writes to that eventfd, and the CPU does not stop. Where it cannot be, it stops as before. */
void kvm_machine_bell(struct kvm_machine *, uint32_t number, int eventfd);

/* A CPU, made now unless it was before, that is at rest and will be started. gs is the guest's struct app_cpu, ist the top of its upcall stack. */
MUST_USE err_t kvm_cpu_init(struct kvm_cpu *, struct kvm_machine *, unsigned number, uint64_t gs, uint64_t ist);
void kvm_cpu_fini(struct kvm_cpu *);
void kvm_cpu_start(struct kvm_cpu *, const struct kvm_regs_app *);
/* Runs until it stops. KICK: a signal came; registers may be set freely then, but not after GATE or BELL. finish: only completes what
 * the last stop left half done, then KICK. MEMORY: the host could not give a page; DEAD: a triple fault or worse, text in *why. */
enum kvm_stop kvm_cpu_run(struct kvm_cpu *, bool finish, const char **why);
void kvm_cpu_dirty(struct kvm_cpu *);
/* For a signal handler in the CPU's thread: a kvm_cpu_run() that is about to begin returns KICK at once. */
void kvm_cpu_interrupt(struct kvm_cpu *);
/* An exception is on its way to the guest: its registers must not be changed before. */
bool kvm_cpu_faulting(const struct kvm_cpu *);
bool kvm_cpu_current(const struct kvm_cpu *); /* it uses the tables' present root. Any thread */
uint64_t kvm_cpu_fault(struct kvm_cpu *); /* CR2 */
uint64_t kvm_machine_tsc_khz(struct kvm_machine *); /* 0: unknown */

/* cpuid.c: what KVM at `dev` can show a guest, to be freed. path: a file that keeps it, NULL: none. NULL: KVM does not say, or no memory. */
struct kvm_cpuid2 *kvm_cpuid_get(int dev, const char *path);
