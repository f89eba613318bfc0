/* vm/run.c and what answers exits: ports, MSRs, CPUID, HLT, hypercalls, events; and a guest's life in vm/vm.c. */
#include "test/unit/vmkit.h"
#include "io/blk.h"
#include "vm/cpuid.h"

static struct vm *vm;
static struct vcpu *v;

/* The exits to play, one a run, then EXIT_IRQ. */
static struct exit plan[32];
static unsigned planned, played;

static void play(struct vcpu *who)
{
    uint64_t next = who->x.next_rip;

    if (who != v || played == planned)
        return;
    who->x = plan[played++];
    who->x.next_rip = next;
}

static int setup(void **)
{
    fake_set_cpus(1, 0);
    fake_set_tsc(5000);
    sched_init();
    planned = played = 0;
    fake_script(play);
    vm = kit_vm(2);
    v = vm->vcpu[0];
    v->apic.svr = 0x1FF;
    return 0;
}

static int teardown(void **)
{
    kit_end(vm);
    return 0;
}

static void go(enum exit_kind kind, struct exit x)
{
    x.kind = kind;
    plan[planned++] = x;
    assert_int_equal(run_vcpu(v), kind == EXIT_HLT ? RUN_HALTED : RUN_PREEMPTED);
}

static err_t dev_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    *val = off == 7 ? 0x1122334455667788 : size;
    return dev ? OK : ERR_GUEST;
}

static uint64_t written;
static err_t dev_write(void *, uint64_t, unsigned, uint64_t val)
{
    written = val;
    return OK;
}

static const struct bus_ops dev_ops = { dev_read, dev_write };

static void ports_reach_their_device_and_keep_rax(void **)
{
    assert_int_equal(bus_add(vm, BUS_PIO, 0x100, 8, &dev_ops, vm), OK);
    v->r.gpr[REG_RAX] = 0xAABBCCDDEEFF0011;
    go(EXIT_PIO, (struct exit){ .port = 0x107, .size = 1, .in = true });
    assert_int_equal(v->r.gpr[REG_RAX], 0xAABBCCDDEEFF0088);
    assert_int_equal(v->r.rip, 0x1001);
    go(EXIT_PIO, (struct exit){ .port = 0x102, .size = 2, .in = true });
    assert_int_equal(v->r.gpr[REG_RAX], 0xAABBCCDDEEFF0002);
    go(EXIT_PIO, (struct exit){ .port = 0x104, .size = 4, .in = true });
    assert_int_equal(v->r.gpr[REG_RAX], 4);
    go(EXIT_PIO, (struct exit){ .port = 0x106, .size = 4, .in = true }); /* crosses the end: nobody's */
    assert_int_equal(v->r.gpr[REG_RAX], UINT32_MAX);
    v->r.gpr[REG_RAX] = 0x77;
    go(EXIT_PIO, (struct exit){ .port = 0x100, .size = 1 });
    assert_int_equal(written, 0x77);
}

static unsigned looks, needed;
static enum vm_poll asked_last;

static bool look(void *dev, enum vm_poll what)
{
    assert_ptr_equal(dev, vm);
    asked_last = what;
    fake_set_tsc(ground_tsc() + 10000);
    return ++looks == needed;
}

static err_t slow_write(void *, uint64_t, unsigned, uint64_t)
{
    vm->wish.poll = look;
    vm->wish.dev = vm;
    looks = 0;
    return OK;
}

static void a_device_is_waited_for_a_little(void **)
{
    static const struct bus_ops ops = { dev_read, slow_write };
    assert_int_equal(bus_add(vm, BUS_PIO, 0x100, 8, &ops, vm), OK);
    plan[planned++] = (struct exit){ .kind = EXIT_HLT };
    sched_step(); /* off the run queue: nobody waits for the CPU */
    atomic_store(&v->unhalted, true);
    atomic_store(&vm->exit_tsc, 10000);
    needed = 3;
    go(EXIT_PIO, (struct exit){ .port = 0x100, .size = 2 });
    assert_int_equal(looks, 3);
    assert_int_equal(asked_last, VM_POLL_LOOK);
    assert_null(vm->wish.poll);
    needed = VM_SPIN_EXITS + 3; /* the CPU sleeps twice */
    v->apic.deadline = ground_tsc() + 10000000;
    go(EXIT_PIO, (struct exit){ .port = 0x100, .size = 2 });
    assert_int_equal(looks, needed);
    assert_int_equal(asked_last, VM_POLL_SLEEP);
    needed = 1000; /* it takes too long */
    go(EXIT_PIO, (struct exit){ .port = 0x100, .size = 2 });
    assert_in_range(looks, VM_QUIET_EXITS, VM_QUIET_EXITS + 3);
    assert_int_equal(asked_last, VM_POLL_END);
    v->apic.deadline = ground_tsc() + 10000 * (VM_SPIN_EXITS + 1); /* the guest's timer is due before */
    plan[planned++] = (struct exit){ .kind = EXIT_PIO, .port = 0x100, .size = 2 };
    sched_wake(v);
    sched_step();
    assert_in_range(looks, VM_SPIN_EXITS, VM_SPIN_EXITS + 3);
    assert_int_equal(asked_last, VM_POLL_SLEEP);
}

static bool held; /* devices' interrupts, while the guest runs */
static uint64_t due;

static void note(struct vcpu *who)
{
    play(who);
    held = fake_irqs_held();
    due = fake_timer();
}

static err_t quiet_write(void *, uint64_t, unsigned, uint64_t)
{
    vm->wish.quiet = true;
    return OK;
}

static void a_guest_that_works_is_not_disturbed_for_some_time(void **)
{
    static const struct bus_ops ops = { dev_read, quiet_write };
    assert_int_equal(bus_add(vm, BUS_PIO, 0x100, 8, &ops, vm), OK);
    atomic_store(&vm->exit_tsc, 100);
    fake_of(v)->script = note;
    plan[planned++] = (struct exit){ .kind = EXIT_PIO, .port = 0x100, .size = 2 };
    sched_step();
    assert_true(held);
    assert_int_equal(due, ground_tsc() + 100 * VM_QUIET_EXITS);
    assert_false(fake_irqs_held()); /* the scheduler takes them */
    sched_step();
    assert_true(held);
    fake_set_tsc(ground_tsc() + 100 * VM_QUIET_EXITS);
    sched_step();
    assert_false(held);
    plan[planned++] = (struct exit){ .kind = EXIT_PIO, .port = 0x100, .size = 2 };
    plan[planned++] = (struct exit){ .kind = EXIT_HLT };
    sched_step();
    assert_int_equal(v->quiet_until, 0);
    assert_false(fake_irqs_held());
}

static void a_device_that_an_emulated_instruction_reached_is_waited_for(void **)
{
    static const struct bus_ops ops = { dev_read, slow_write };
    static const uint8_t outsb = 0x6E;
    static const uint64_t table = 0x4000 | PTE_P, page = PTE_P | PTE_PS;
    assert_int_equal(bus_add(vm, BUS_PIO, 0x100, 8, &ops, vm), OK);
    assert_int_equal(mem_write(vm, gpa(0x1000), &outsb, sizeof outsb), OK);
    assert_int_equal(mem_write(vm, gpa(0x3000), &table, sizeof table), OK);
    assert_int_equal(mem_write(vm, gpa(0x4000), &page, sizeof page), OK);
    fake_of(v)->sys = (struct sys_regs){ .cr3 = 0x3000, .efer = EFER_LMA, .cs_long = true };
    needed = 1;
    go(EXIT_PIO, (struct exit){ .port = 0x100, .size = 1, .string = true });
    assert_int_equal(v->r.rip, 0x1001);
    assert_int_equal(looks, 1);
    assert_null(vm->wish.poll);
}

static void bus_refuses_overlap_ram_and_overflow(void **)
{
    assert_int_equal(bus_add(vm, BUS_MMIO, 0xD0000000, 0x1000, &dev_ops, vm), OK);
    assert_int_equal(bus_add(vm, BUS_MMIO, 0xD0000FFF, 1, &dev_ops, vm), ERR_EXISTS);
    assert_int_equal(bus_add(vm, BUS_MMIO, 0xCFFFF000, 0x1001, &dev_ops, vm), ERR_EXISTS);
    assert_int_equal(bus_add(vm, BUS_MMIO, 0x1000, 0x1000, &dev_ops, vm), ERR_RANGE);
    assert_int_equal(bus_add(vm, BUS_MMIO, UINT64_MAX - 1, 8, &dev_ops, vm), ERR_RANGE);
    assert_int_equal(bus_add(vm, BUS_PIO, 0xFFFF, 2, &dev_ops, vm), ERR_RANGE);
    assert_int_equal(bus_add(vm, BUS_PIO, 0x10, 0, &dev_ops, vm), ERR_RANGE);
    bus_remove(vm, BUS_MMIO, 0xD0000000);
    assert_int_equal(bus_add(vm, BUS_MMIO, 0xCFFFF000, 0x1001, &dev_ops, vm), OK);
    for (unsigned i = vm->pio.count; i < BUS_RANGES; i++)
        assert_int_equal(bus_add(vm, BUS_PIO, 0x2000 + i, 1, &dev_ops, vm), OK);
    assert_int_equal(bus_add(vm, BUS_PIO, 0x4000, 1, &dev_ops, vm), ERR_FULL);
    vm->pio.count = vm->mmio.count = 0;
}

static void a_device_that_complains_stops_only_this_guest(void **)
{
    struct vm *other = kit_vm(1);
    assert_int_equal(bus_add(vm, BUS_PIO, 0x100, 8, &dev_ops, NULL), OK);
    plan[planned++] = (struct exit){ .kind = EXIT_PIO, .port = 0x100, .size = 1, .in = true };
    assert_int_equal(run_vcpu(v), RUN_GONE);
    assert_int_equal(vm->why, VM_FAULTED);
    assert_non_null(strchr(vm->why_text, ':'));
    assert_int_equal(atomic_load(&other->state), VM_RUNNING);
    kit_end(other);
}

static void unknown_msrs_fault_and_known_ones_answer(void **)
{
    v->r.gpr[REG_RCX] = 0x1234;
    go(EXIT_RDMSR, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_exception, VEC_GP);
    assert_int_equal(v->r.rip, 0x1000); /* a fault: RIP stays */
    v->r.gpr[REG_RCX] = MSR_APIC_BASE;
    go(EXIT_RDMSR, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RAX], 0xFEE00D00);
    v->r.gpr[REG_RCX] = 0xC0010058;
    go(EXIT_RDMSR, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RAX], 0);
    fake_of(v)->last_exception = -1;
    v->r.gpr[REG_RCX] = MSR_APIC_BASE;
    v->r.gpr[REG_RAX] = 0xFEE00800; /* x2APIC to xAPIC in one step is not allowed */
    v->r.gpr[REG_RDX] = 0;
    go(EXIT_WRMSR, (struct exit){ 0 });
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_exception, VEC_GP);
}

static void kvm_clock_is_written_into_ram_or_refused(void **)
{
    uint8_t info[32];
    v->r.gpr[REG_RCX] = 0x4B564D01;
    v->r.gpr[REG_RAX] = 0x3001;
    v->r.gpr[REG_RDX] = 0;
    go(EXIT_WRMSR, (struct exit){ 0 });
    assert_int_equal(mem_read(vm, gpa(0x3000), info, sizeof info), OK);
    assert_int_equal(info[29], 1);    /* stable */
    assert_int_equal(info[28], 1);    /* 1 GHz: ticks << 1 ... */
    assert_int_equal(info[27], 0x80); /* ... * 2^31 >> 32 */
    v->r.gpr[REG_RAX] = 0x7FFFF001;
    go(EXIT_WRMSR, (struct exit){ 0 });
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_exception, VEC_GP);
}

static void cpuid_hides_what_a_guest_must_not_have(void **)
{
    cpuid_init();
    v->r.gpr[REG_RAX] = 0x40000000;
    go(EXIT_CPUID, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RBX], 0x4B4D564B);
    v->r.gpr[REG_RAX] = 1;
    go(EXIT_CPUID, (struct exit){ 0 });
    assert_true(v->r.gpr[REG_RCX] & BIT(31));
    assert_true(v->r.gpr[REG_RCX] & BIT(21));
    assert_false(v->r.gpr[REG_RCX] & (BIT(3) | BIT(5)));         /* MONITOR, VMX */
    assert_false(v->r.gpr[REG_RDX] & (BIT(7) | BIT(12) | BIT(14))); /* MCE, MTRR, MCA */
    v->r.gpr[REG_RAX] = 0x80000001;
    go(EXIT_CPUID, (struct exit){ 0 });
    assert_false(v->r.gpr[REG_RCX] & BIT(2)); /* SVM */
    v->r.gpr[REG_RAX] = 0x8FFFFFFF;
    go(EXIT_CPUID, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RAX] | v->r.gpr[REG_RBX] | v->r.gpr[REG_RCX] | v->r.gpr[REG_RDX], 0);
    v->r.gpr[REG_RAX] = 0xB;
    v->r.gpr[REG_RCX] = 1;
    go(EXIT_CPUID, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RBX], 2);
}

static void interrupts_wait_for_the_guest_to_be_ready(void **)
{
    apic_post(v, 0x44, false);
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_true(fake_of(v)->window); /* IF is 0 */
    assert_int_equal(fake_of(v)->last_irq, -1);
    v->r.rflags |= RFLAGS_IF;
    go(EXIT_WINDOW, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_irq, 0x44);
}

static void leaves_untaken(struct vcpu *who)
{
    who->x = (struct exit){ .kind = EXIT_IRQ };
    who->irq_untaken = fake_of(who)->irq >= 0;
}

static void an_interrupt_not_taken_is_pending_again(void **)
{
    v->r.rflags |= RFLAGS_IF;
    fake_of(v)->script = leaves_untaken;
    apic_post(v, 0x44, false);
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED);
    assert_false(v->irq_untaken);
    assert_int_equal(apic_pending(v), 0x44);
    fake_of(v)->script = play;
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED);
    assert_int_equal(fake_of(v)->last_irq, 0x44);
    assert_int_equal(apic_pending(v), -1);
}

static void a_backend_may_hold_an_interrupt_until_the_guest_takes_it(void **)
{
    fake_of(v)->holds = true;
    fake_of(v)->script = leaves_untaken;
    apic_post(v, 0x44, false);
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED); /* IF is 0 */
    assert_false(fake_of(v)->window);
    assert_int_equal(fake_of(v)->last_irq, 0x44);
    assert_int_equal(apic_pending(v), 0x44);
    fake_of(v)->last_irq = -1;
    fake_of(v)->nmi_masked = true;
    apic_post_nmi(v); /* has to be told when the guest is ready: that needs the window */
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED);
    assert_true(fake_of(v)->window);
    assert_int_equal(fake_of(v)->last_irq, -1);
}

static void hlt_ends_with_an_interrupt_a_kick_or_at_once(void **)
{
    v->r.rflags |= RFLAGS_IF;
    go(EXIT_HLT, (struct exit){ 0 });
    assert_int_equal(run_vcpu(v), RUN_HALTED);
    apic_post(v, 0x33, false);
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_irq, 0x33);
    assert_int_equal(apic_write(v, 0x80B, 0), OK);
    go(EXIT_HLT, (struct exit){ 0 });
    v->r.gpr[REG_RAX] = 5; /* KVM_HC_KICK_CPU, from elsewhere; here: to itself */
    v->r.gpr[REG_RCX] = 0;
    atomic_store(&v->unhalted, true);
    go(EXIT_HYPERCALL, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RAX], 0);
    plan[planned++] = (struct exit){ .kind = EXIT_HLT }; /* the kick came first: no sleep */
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED);
}

static void hlt_sleeps_through_what_it_cannot_take(void **)
{
    go(EXIT_HLT, (struct exit){ 0 }); /* with interrupts off */
    apic_post(v, 0x33, false);
    assert_int_equal(run_vcpu(v), RUN_HALTED);
    fake_of(v)->nmi_masked = true; /* in an NMI handler */
    apic_post_nmi(v);
    assert_int_equal(run_vcpu(v), RUN_HALTED);
    fake_of(v)->nmi_masked = false;
    assert_int_equal(run_vcpu(v), RUN_PREEMPTED);
    assert_int_equal(fake_of(v)->last_irq, -1);
    assert_false(atomic_load(&v->apic.nmi));
}

static void two_nmis_are_one_only_while_none_can_be_taken(void **)
{
    apic_post_nmi(v);
    apic_post_nmi(v);
    apic_post_nmi(v);
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(atomic_load(&v->apic.nmi), 1); /* the first is taken, the second waits for its end */
    fake_of(v)->nmi_masked = true;
    apic_post_nmi(v);
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(atomic_load(&v->apic.nmi), 1);
    assert_true(fake_of(v)->window);
    fake_of(v)->nmi_masked = false;
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(atomic_load(&v->apic.nmi), 0);
}

static void an_interrupt_behind_an_exception_gets_its_window(void **)
{
    v->r.rflags |= RFLAGS_IF;
    vcpu_raise(v, VEC_GP, 0);
    apic_post(v, 0x33, false);
    apic_post_nmi(v);
    go(EXIT_IRQ, (struct exit){ 0 });
    assert_int_equal(fake_of(v)->last_exception, VEC_GP);
    assert_int_equal(fake_of(v)->last_irq, -1);
    assert_true(fake_of(v)->window);
    assert_true(atomic_load(&v->apic.nmi)); /* next */
    go(EXIT_WINDOW, (struct exit){ 0 });
    assert_false(atomic_load(&v->apic.nmi));
    assert_int_equal(fake_of(v)->last_irq, 0x33);
}

static void hypercalls_need_the_kernel_and_a_known_number(void **)
{
    v->r.gpr[REG_RAX] = 999;
    go(EXIT_HYPERCALL, (struct exit){ 0 });
    assert_int_equal((int64_t)v->r.gpr[REG_RAX], -1000);
    fake_of(v)->sys.cpl = 3;
    v->r.gpr[REG_RAX] = 10;
    go(EXIT_HYPERCALL, (struct exit){ 0 });
    assert_int_equal((int64_t)v->r.gpr[REG_RAX], -1);
    fake_of(v)->sys.cpl = 0;
    v->r.gpr[REG_RAX] = 10;
    v->r.gpr[REG_RBX] = UINT64_MAX;
    v->r.gpr[REG_RDX] = 1;
    v->r.gpr[REG_RSI] = 0x66;
    go(EXIT_HYPERCALL, (struct exit){ 0 });
    assert_int_equal(v->r.gpr[REG_RAX], 1); /* only vCPU 1 */
    assert_true(atomic_load(&vm->vcpu[1]->apic.posted_words));
    assert_false(atomic_load(&vm->vcpu[0]->apic.posted_words));
}

static void triple_fault_and_dead_ends_name_themselves(void **)
{
    plan[planned++] = (struct exit){ .kind = EXIT_SHUTDOWN };
    assert_int_equal(run_vcpu(v), RUN_GONE);
    assert_int_equal(vm->why, VM_TRIPLE_FAULT);
    vm_stop(vm, VM_STOPPED, "later"); /* the first reason stays */
    assert_int_equal(vm->why, VM_TRIPLE_FAULT);
}

static void memory_is_checked_at_every_edge(void **)
{
    uint8_t b[16] = { 0 };
    uint64_t run;
    hpa_t at;
    assert_int_equal(mem_write(vm, gpa(MIB(2) - 8), "abcdefghijklmnop", 16), OK); /* across two chunks */
    assert_int_equal(mem_read(vm, gpa(MIB(2) - 8), b, 16), OK);
    assert_memory_equal(b, "abcdefghijklmnop", 16);
    assert_int_equal(mem_read(vm, gpa(MIB(4) - 8), b, 9), ERR_GUEST);
    assert_int_equal(mem_read(vm, gpa(MIB(4)), b, 1), ERR_GUEST);
    assert_int_equal(mem_read(vm, gpa(MIB(4)), b, 0), OK);
    assert_int_equal(mem_read(vm, gpa(UINT64_MAX), b, 2), ERR_GUEST);
    assert_int_equal(mem_write(vm, gpa(MEM_HIGH_START), b, 1), ERR_GUEST);
    assert_int_equal(mem_write(vm, gpa(0), b, SIZE_MAX), ERR_GUEST);
    assert_int_equal(mem_dma(vm, gpa(MIB(4) - 4), 100, &at, &run), OK);
    assert_int_equal(run, 4);
    assert_int_equal(mem_dma(vm, gpa(MIB(4)), 1, &at, &run), ERR_GUEST);
    assert_int_equal(mem_dma(vm, gpa(0), 0, &at, &run), ERR_GUEST);
}

static bool zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

/* The fake ground fills its pages with 0xA5. */
static void memory_is_zero_however_it_is_read(void **)
{
    hpa_t at[2], again;
    uint64_t run;
    uint8_t b[64];
    assert_int_equal(*((uint8_t *)hpa_ptr(vm->low[1]) + 100), 0xA5); /* a start zeroes nothing */
    assert_int_equal(mem_read(vm, gpa(MIB(2) - 32), b, sizeof b), OK);
    assert_true(zero(b, sizeof b));
    kit_end(vm);
    vm = kit_vm(1);
    assert_int_equal(mem_dma(vm, gpa(0), MEM_CHUNK, &at[0], &run), OK);
    assert_int_equal(run, MEM_CHUNK);
    assert_true(zero(hpa_ptr(at[0]), MEM_CHUNK));
    assert_int_equal(mem_chunk(vm, gpa(MIB(4) - 1), &at[1]), OK);
    assert_true(zero(hpa_ptr(at[1]), MEM_CHUNK));
    assert_int_equal(mem_write(vm, gpa(MIB(2)), "kept", 4), OK);
    assert_int_equal(mem_chunk(vm, gpa(MIB(2)), &again), OK);
    assert_int_equal(again.v, at[1].v);
    assert_memory_equal(hpa_ptr(again), "kept", 4);
    assert_int_equal(mem_chunk(vm, gpa(MIB(4)), &again), ERR_GUEST);
}

static void high_memory_begins_at_4_gib(void **)
{
    struct vm big = { 0 };
    hpa_t chunks[3];
    uint8_t b = 7;
    uint64_t run;
    hpa_t at;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ground_pages_get(PAGE_ORDER_2M, &chunks[i]), OK);
    big.low = chunks;
    big.low_chunks = 1;
    big.high = chunks + 1;
    big.high_chunks = 2;
    assert_int_equal(mem_write(&big, gpa(MEM_HIGH_START + MIB(4) - 1), &b, 1), OK);
    assert_int_equal(mem_write(&big, gpa(MEM_HIGH_START + MIB(4)), &b, 1), ERR_GUEST);
    assert_int_equal(mem_write(&big, gpa(MIB(2)), &b, 1), ERR_GUEST);
    assert_int_equal(mem_dma(&big, gpa(MEM_HIGH_START), 64, &at, &run), OK);
    assert_int_equal(at.v, chunks[1].v);
    for (unsigned i = 0; i < 3; i++)
        ground_pages_put(chunks[i], PAGE_ORDER_2M);
}

static void a_guest_gives_back_every_page_whatever_fails(void **)
{
    struct vm_config cfg = { .name = "fails", .memory = MIB(4), .vcpus = 2 };
    struct vm *f;
    unsigned n = 0;
    assert_int_equal(vm_add(&cfg, &kit_machine, &f), OK);
    assert_int_equal(vm_add(&cfg, &kit_machine, &f), ERR_EXISTS);
    uint64_t before = fake_pages_in_use();
    v = NULL;
    for (;;) {
        fake_fail_alloc(++n);
        if (!vm_start(f))
            break;
        assert_int_equal(fake_pages_in_use(), before);
        assert_int_equal(f->why, VM_FAILED);
        assert_true(f->why_text[0]);
    }
    fake_fail_alloc(0);
    assert_in_range(n, 6, 20);
    assert_int_equal(vm_start(f), ERR_BUSY);
    kit_end(f);
    assert_int_equal(fake_pages_in_use(), before);
    cfg.name[0] = 'g';
    cfg.memory = 12345;
    assert_int_equal(vm_add(&cfg, &kit_machine, &f), ERR_INVAL);
}

static void a_disk_in_use_starts_no_second_guest(void **)
{
    struct vm_config cfg = { .name = "disk1", .memory = MIB(2), .vcpus = 1, .ndisks = 1 };
    struct blk disk = { .name = "vda" }, part = { .name = "vda1", .whole = &disk }, other = { .name = "vda2", .whole = &disk };
    struct vm *a, *b, *c;
    cfg.blk[0] = &part;
    assert_int_equal(vm_add(&cfg, &kit_machine, &a), OK);
    cfg.name[4] = '2';
    cfg.blk[0] = &disk;
    assert_int_equal(vm_add(&cfg, &kit_machine, &b), OK);
    cfg.name[4] = '3';
    cfg.blk[0] = &other;
    assert_int_equal(vm_add(&cfg, &kit_machine, &c), OK);
    assert_int_equal(vm_start(a), OK);
    assert_int_equal(vm_start(b), ERR_BUSY);
    assert_string_equal(b->why_text, "disk1 has disk vda1 in use; stop it first");
    assert_int_equal(vm_start(c), OK);
    kit_end(a);
    kit_end(c);
    assert_int_equal(vm_start(b), OK);
    kit_end(b);
}

static void reset_starts_it_again(void **)
{
    uint64_t starts = vm->starts;
    vm_stop(vm, VM_RESET, "%s", "");
    sched_step();
    sched_step();
    assert_false(vm_reap());
    assert_int_equal(atomic_load(&vm->state), VM_RUNNING);
    assert_int_equal(vm->starts, starts + 1);
    v = vm->vcpu[0];
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ports_reach_their_device_and_keep_rax), T(a_device_is_waited_for_a_little), T(a_guest_that_works_is_not_disturbed_for_some_time), T(a_device_that_an_emulated_instruction_reached_is_waited_for), T(bus_refuses_overlap_ram_and_overflow),
        T(a_device_that_complains_stops_only_this_guest), T(unknown_msrs_fault_and_known_ones_answer),
        T(kvm_clock_is_written_into_ram_or_refused), T(cpuid_hides_what_a_guest_must_not_have),
        T(interrupts_wait_for_the_guest_to_be_ready), T(an_interrupt_not_taken_is_pending_again), T(a_backend_may_hold_an_interrupt_until_the_guest_takes_it), T(hlt_ends_with_an_interrupt_a_kick_or_at_once),
        T(hlt_sleeps_through_what_it_cannot_take), T(two_nmis_are_one_only_while_none_can_be_taken), T(an_interrupt_behind_an_exception_gets_its_window),
        T(hypercalls_need_the_kernel_and_a_known_number), T(triple_fault_and_dead_ends_name_themselves),
        T(memory_is_checked_at_every_edge),
        T(memory_is_zero_however_it_is_read), T(high_memory_begins_at_4_gib),
        T(a_guest_gives_back_every_page_whatever_fails), T(a_disk_in_use_starts_no_second_guest), T(reset_starts_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
