/* The local APIC: registers, priorities, timer. */
#include "vm/apic.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/reg.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/mem.h"
#include "vm/sched.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define VERSION 0x50014u /* 6 LVT entries, version 0x14 */
#define LVT_MASKED BIT(16)
#define LVT_VALID 0x1F7FFu
#define TIMER_MODE(lvt) ((lvt) >> 17 & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };
#define SVR_ENABLE BIT(8)
#define SVR_VALID 0x11FFu
#define ESR_ILLEGAL_SEND BIT(5)
#define DFR_FLAT 0xF0000000u
#define LOGICAL_X2APIC BIT(0)  /* in struct apic's `logical`, whose bits 24-31 are the xAPIC's logical id */
#define LOGICAL_CLUSTER BIT(1)
#define TIMER_HZ 1000000000ull /* the bus clock the guest counts in: 1 GHz before the divider */

/* Any CPU that sends an interrupt reads it. */
static void logical_update(struct apic *a)
{
    atomic_store(&a->logical, a->ldr | (a->base & APIC_BASE_X2APIC ? LOGICAL_X2APIC : 0) | (a->dfr & DFR_FLAT ? 0 : LOGICAL_CLUSTER));
}

void apic_set_base(struct vcpu *v, uint64_t val)
{
    v->apic.base = val;
    logical_update(&v->apic);
}

void apic_reset(struct vcpu *v)
{
    struct apic *a = &v->apic;
    uint64_t base = a->base;

    for (unsigned i = 0; i < APIC_WORDS; i++) {
        atomic_store(&a->posted[i], 0);
        atomic_store(&a->level[i], 0);
    }
    atomic_store(&a->posted_words, 0);
    atomic_store(&a->nmi, 0);
    memset((char *)a + offsetof(struct apic, irr_words), 0, sizeof *a - offsetof(struct apic, irr_words));
    a->svr = 0xFF;
    for (unsigned i = 0; i < LVT_COUNT; i++)
        a->lvt[i] = LVT_MASKED;
    a->dfr = UINT32_MAX;
    apic_set_base(v, base ? base : 0xFEE00000u | APIC_BASE_ENABLE | (v->id ? 0 : APIC_BASE_BSP));
}

static int highest_bit(uint32_t w)
{
    return 31 - __builtin_clz(w);
}

static int highest(const uint32_t *words)
{
    for (int i = APIC_WORDS - 1; i >= 0; i--)
        if (words[i])
            return i * 32 + highest_bit(words[i]);
    return -1;
}

static uint32_t priority(const struct apic *a)
{
    int isr = highest(a->isr);
    uint32_t in_service = isr < 0 ? 0 : (uint32_t)isr & 0xF0;

    return (a->tpr & 0xF0) >= in_service ? a->tpr : in_service;
}

/* Moves what others posted into the IRR. */
static void collect(struct apic *a)
{
    uint32_t words = atomic_exchange(&a->posted_words, 0);

    while (words) {
        int i = highest_bit(words);
        words &= ~BIT(i);
        a->irr[i] |= atomic_exchange(&a->posted[i], 0);
        a->irr_words |= BIT(i);
    }
}

static void end_of_interrupt(struct vcpu *v)
{
    struct apic *a = &v->apic;
    int vec = highest(a->isr);

    if (vec < 0)
        return;
    a->isr[vec / 32] &= ~BIT(vec % 32);
    if (atomic_load(&a->level[vec / 32]) & BIT(vec % 32)) {
        atomic_fetch_and(&a->level[vec / 32], ~BIT(vec % 32));
        lock_take(&v->vm->lock);
        if (v->vm->irq_eoi)
            v->vm->irq_eoi(v->vm->irq_chip, (uint8_t)vec);
        lock_drop(&v->vm->lock);
    }
}

/* The guest may end its last interrupt by clearing a bit in its own memory instead of an EOI write (KVM's PV EOI,
 * Linux Documentation/virt/kvm/x86/msr.rst). `need` says that another interrupt waits, so the next EOI must exit. */
static void pv_eoi_check(struct vcpu *v, bool need)
{
    struct apic *a = &v->apic;
    gpa_t at = gpa(a->pv_eoi & ~1ull);
    uint8_t flag;

    if (mem_read(v->vm, at, &flag, 1)) {
        a->pv_eoi_open = false;
        return;
    }
    if (!(flag & 1)) {
        a->pv_eoi_open = false;
        end_of_interrupt(v);
    } else if (need) {
        flag &= 0xFE;
        a->pv_eoi_open = false;
        if (mem_write(v->vm, at, &flag, 1))
            a->pv_eoi = 0;
    }
}

static void pv_eoi_offer(struct vcpu *v)
{
    struct apic *a = &v->apic;
    uint8_t flag = 1;

    a->pv_eoi_open = !mem_write(v->vm, gpa(a->pv_eoi & ~1ull), &flag, 1);
}

int apic_pending(struct vcpu *v)
{
    struct apic *a = &v->apic;

    if (atomic_load_explicit(&a->posted_words, memory_order_relaxed))
        collect(a);
    if (a->pv_eoi_open)
        pv_eoi_check(v, a->irr_words != 0);
    if (!a->irr_words)
        return -1;
    int word = highest_bit(a->irr_words), vec = word * 32 + highest_bit(a->irr[word]);
    if (((uint32_t)vec & 0xF0) <= (priority(a) & 0xF0) || !(a->svr & SVR_ENABLE))
        return -1;
    return vec;
}

void apic_accept(struct vcpu *v, int vec)
{
    struct apic *a = &v->apic;
    int word = vec / 32;

    a->irr[word] &= ~BIT(vec % 32);
    if (!a->irr[word])
        a->irr_words &= ~BIT(word);
    bool alone = highest(a->isr) < 0;
    a->isr[word] |= BIT(vec % 32);
    if ((a->pv_eoi & 1) && alone && !a->irr_words && !(atomic_load(&a->level[word]) & BIT(vec % 32)))
        pv_eoi_offer(v);
}

void apic_unaccept(struct vcpu *v, int vec)
{
    struct apic *a = &v->apic;
    uint8_t none = 0;

    a->isr[vec / 32] &= ~BIT(vec % 32);
    a->irr[vec / 32] |= BIT(vec % 32);
    a->irr_words |= BIT(vec / 32);
    if (a->pv_eoi_open) {
        a->pv_eoi_open = false;
        if (mem_write(v->vm, gpa(a->pv_eoi & ~1ull), &none, 1))
            a->pv_eoi = 0;
    }
}

void apic_post(struct vcpu *v, uint8_t vec, bool level)
{
    struct apic *a = &v->apic;

    if (vec < 16) /* vectors 0-15 are illegal */
        return;
    if (level)
        atomic_fetch_or(&a->level[vec / 32], BIT(vec % 32));
    atomic_fetch_or(&a->posted[vec / 32], BIT(vec % 32));
    atomic_fetch_or(&a->posted_words, BIT(vec / 32));
    sched_wake(v);
}

void apic_post_nmi(struct vcpu *v)
{
    uint8_t n = atomic_load(&v->apic.nmi);

    while (n < 2 && !atomic_compare_exchange_weak(&v->apic.nmi, &n, n + 1))
        ;
    sched_wake(v);
}

/* x2APIC: 16 CPUs to a cluster; logical id = cluster << 16 | 1 << (id & 15). With an MSI's 8-bit destination only the low
 * byte of the mask, cluster 0, can be named. xAPIC: 8 CPUs, or 4 to a cluster, by the ids that the guest gave. */
bool apic_matches(const struct vcpu *v, uint32_t dest, bool logical)
{
    uint32_t l = atomic_load_explicit(&v->apic.logical, memory_order_relaxed);

    if (dest == UINT32_MAX)
        return true;
    if (!logical)
        return dest == v->id;
    if (l & LOGICAL_X2APIC)
        return dest >> 16 == v->id >> 4 && (dest & BIT(v->id & 15));
    if (l & LOGICAL_CLUSTER)
        return (dest >> 4 & 0xF) == l >> 28 && (dest & l >> 24 & 0xF);
    return dest & l >> 24;
}

static void send_to(struct vcpu *to, uint32_t mode, uint8_t vec)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        apic_post(to, vec, false);
        break;
    case APIC_NMI:
        apic_post_nmi(to);
        break;
    case APIC_INIT:
        atomic_store(&to->startup, STARTUP_INIT);
        sched_wake(to);
        break;
    case APIC_SIPI:
        atomic_fetch_or(&to->startup, STARTUP_SIPI | vec);
        sched_wake(to);
        break;
    default:
        break; /* SMI, ExtINT: there is nobody who would take them */
    }
}

/* ICR: vector 0-7, mode 8-10, logical 11, level 14, shorthand 18-19, destination 32-63. */
static void send_ipi(struct vcpu *v, uint64_t icr)
{
    struct vm *vm = v->vm;
    uint32_t mode = icr >> 8 & 7, shorthand = icr >> 18 & 3, dest = (uint32_t)(icr >> 32);
    uint8_t vec = (uint8_t)icr;

    if (mode == APIC_INIT && (icr & BIT(15)) && !(icr & BIT(14)))
        return; /* INIT level de-assert: for old machines only */
    if ((mode == APIC_FIXED || mode == APIC_LOWEST) && vec < 16)
        v->apic.esr_new |= ESR_ILLEGAL_SEND;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *to = vm->vcpu[i];
        bool hit = shorthand == 1 ? to == v : shorthand == 2 ? true : shorthand == 3 ? to != v
                                                                                     : apic_matches(to, dest, icr & BIT(11));
        if (hit) {
            send_to(to, mode, vec);
            if (mode == APIC_LOWEST && !shorthand)
                return;
        }
    }
}

/* --- timer --- */

static uint64_t count_ticks(const struct apic *a, uint64_t count)
{
    unsigned shift = ((a->timer_divide & 3) | (a->timer_divide >> 1 & 4)) + 1;

    return cpu_mul_div(count << (shift & 7), ground_tsc_hz(), TIMER_HZ);
}

static void timer_start(struct vcpu *v)
{
    struct apic *a = &v->apic;

    if (TIMER_MODE(a->lvt[LVT_TIMER]) == TIMER_DEADLINE)
        return;
    a->deadline = 0;
    if (a->timer_initial) {
        a->period = max_u64(count_ticks(a, a->timer_initial), 1);
        a->deadline = ground_tsc() + a->period;
    }
    sched_timer_changed(v);
}

static uint64_t timer_current(const struct apic *a)
{
    uint64_t now = ground_tsc();

    if (TIMER_MODE(a->lvt[LVT_TIMER]) == TIMER_DEADLINE || !a->deadline || a->deadline <= now)
        return 0;
    return cpu_mul_div(min_u64(a->deadline - now, a->period), a->timer_initial, a->period);
}

void apic_set_deadline(struct vcpu *v, uint64_t guest_tsc)
{
    struct apic *a = &v->apic;

    if (TIMER_MODE(a->lvt[LVT_TIMER]) != TIMER_DEADLINE)
        return;
    a->deadline = guest_tsc ? guest_tsc - v->vm->tsc_offset : 0;
    if (guest_tsc && (!a->deadline || (int64_t)a->deadline < 0))
        a->deadline = 1; /* a time before this guest's zero: long due */
    sched_timer_changed(v);
}

void apic_tick(struct vcpu *v, uint64_t now)
{
    struct apic *a = &v->apic;
    uint32_t lvt = a->lvt[LVT_TIMER];

    if (!a->deadline || a->deadline > now)
        return;
    if (TIMER_MODE(lvt) == TIMER_PERIODIC) {
        a->deadline += a->period;
        if (a->deadline <= now)
            a->deadline = now + a->period; /* ticks that nobody was there to see are not made up for */
    } else {
        a->deadline = 0;
    }
    if (!(lvt & LVT_MASKED) && (uint8_t)lvt >= 16) {
        a->irr[(uint8_t)lvt / 32] |= BIT(lvt % 32);
        a->irr_words |= BIT((uint8_t)lvt / 32);
    }
}

/* --- registers --- */

static err_t lvt_write(struct vcpu *v, unsigned i, uint64_t val)
{
    struct apic *a = &v->apic;
    uint32_t old = a->lvt[i];

    a->lvt[i] = (uint32_t)val & (i == LVT_TIMER ? LVT_VALID | 3u << 17 : LVT_VALID);
    bool was = TIMER_MODE(old) == TIMER_DEADLINE, is = TIMER_MODE(a->lvt[i]) == TIMER_DEADLINE;
    if (i == LVT_TIMER && was != is) { /* else it counts on, as what it is now */
        a->deadline = 0;
        a->timer_initial = 0;
        sched_timer_changed(v);
    }
    return OK;
}

static err_t reg_read(struct vcpu *v, uint32_t r, uint64_t *val)
{
    struct apic *a = &v->apic;

    collect(a);
    if (a->pv_eoi_open)
        pv_eoi_check(v, true);
    switch (r) {
    case R_ID: *val = v->id; return OK;
    case R_VERSION: *val = VERSION; return OK;
    case R_TPR: *val = a->tpr; return OK;
    case R_PPR: *val = priority(a); return OK;
    case R_LDR: *val = (uint64_t)(v->id >> 4) << 16 | BIT(v->id & 15); return OK;
    case R_SVR: *val = a->svr; return OK;
    case R_ESR: *val = a->esr; return OK;
    case R_CMCI: *val = a->lvt[LVT_CMCI]; return OK;
    case R_ICR: *val = 0; return OK;
    case R_INITIAL: *val = a->timer_initial; return OK;
    case R_CURRENT: *val = timer_current(a); return OK;
    case R_DIVIDE: *val = a->timer_divide; return OK;
    }
    if (r >= R_ISR && r < R_ISR + APIC_WORDS)
        *val = a->isr[r - R_ISR];
    else if (r >= R_TMR && r < R_TMR + APIC_WORDS)
        *val = atomic_load(&a->level[r - R_TMR]);
    else if (r >= R_IRR && r < R_IRR + APIC_WORDS)
        *val = a->irr[r - R_IRR];
    else if (r >= R_LVT && r <= R_LVT_LAST)
        *val = a->lvt[r - R_LVT];
    else
        return ERR_INVAL;
    return OK;
}

static err_t reg_write(struct vcpu *v, uint32_t r, uint64_t val)
{
    struct apic *a = &v->apic;

    switch (r) {
    case R_EOI:
        if (val)
            return ERR_INVAL;
        if (a->pv_eoi_open)
            pv_eoi_check(v, true);
        end_of_interrupt(v);
        return OK;
    case R_ICR: send_ipi(v, val); return OK;
    case R_SELF: apic_post(v, (uint8_t)val, false); return OK;
    case R_TPR: a->tpr = (uint32_t)val & 0xFF; return val & ~0xFFull ? ERR_INVAL : OK;
    case R_SVR: a->svr = (uint32_t)val & SVR_VALID; return val & ~(uint64_t)SVR_VALID ? ERR_INVAL : OK;
    case R_ESR:
        a->esr = a->esr_new;
        a->esr_new = 0;
        return val ? ERR_INVAL : OK;
    case R_CMCI: return lvt_write(v, LVT_CMCI, val);
    case R_INITIAL:
        a->timer_initial = (uint32_t)val;
        timer_start(v);
        return OK;
    case R_DIVIDE: a->timer_divide = (uint32_t)val & 0xB; return val & ~0xBull ? ERR_INVAL : OK;
    }
    return r >= R_LVT && r <= R_LVT_LAST ? lvt_write(v, r - R_LVT, val) : ERR_INVAL;
}

err_t apic_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    return v->apic.base & APIC_BASE_X2APIC ? reg_read(v, msr - MSR_X2APIC, val) : ERR_INVAL;
}

err_t apic_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    uint32_t r = msr - MSR_X2APIC;

    return v->apic.base & APIC_BASE_X2APIC && (!(val >> 32) || r == R_ICR) ? reg_write(v, r, val) : ERR_INVAL;
}

/* --- the xAPIC's page: a register each 16 bytes, of which the first 4 count --- */

bool apic_in_page(const struct vcpu *v, uint64_t at)
{
    uint64_t base = v->apic.base;

    return (base & APIC_BASE_ENABLE) && !(base & APIC_BASE_X2APIC) && !((at ^ base) & ~0xFFFull);
}

void apic_page_begin(struct vcpu *v)
{
    if (v->apic.pv_eoi_open && !(v->apic.base & APIC_BASE_X2APIC))
        pv_eoi_check(v, true);
}

uint64_t apic_page_read(struct vcpu *v, uint64_t at, unsigned size)
{
    struct apic *a = &v->apic;
    uint32_t r = at >> 4 & 0xFF;
    uint64_t val = 0;

    switch (r) {
    case R_ID: val = v->id << 24; break;
    case R_LDR: val = a->ldr; break;
    case R_DFR: val = a->dfr; break;
    case R_ICR: val = a->icr_low; break; /* what was sent has arrived */
    case R_ICR_HIGH: val = a->icr_high; break;
    default: (void)reg_read(v, r, &val); break;
    }
    val = (at & 15) < 4 ? (uint32_t)val >> 8 * (at & 3) : 0;
    return size < 4 ? val & (BIT64(8 * size) - 1) : val;
}

/* Only whole registers: what smaller writes do is nowhere said. */
void apic_page_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t val)
{
    struct apic *a = &v->apic;
    uint32_t r = at >> 4 & 0xFF, dest = a->icr_high >> 24;

    if (at & 15 || size < 4)
        return;
    val = (uint32_t)val;
    switch (r) {
    case R_EOI: a->eoi_waits = true; return;
    case R_LDR: a->ldr = (uint32_t)val & 0xFF000000; break;
    case R_DFR: a->dfr = (uint32_t)val | 0x0FFFFFFF; break;
    case R_ICR_HIGH: a->icr_high = (uint32_t)val; return;
    case R_ICR:
        a->icr_low = (uint32_t)val & ~BIT(12); /* sent */
        val |= (uint64_t)(dest == 0xFF ? UINT32_MAX : dest) << 32;
        break;
    case R_SELF: return; /* the x2APIC's */
    }
    (void)reg_write(v, r, val); /* what it must not be set to is left out */
    logical_update(a);
}

void apic_page_end(struct vcpu *v)
{
    v->apic.eoi_waits = false;
    (void)reg_write(v, R_EOI, 0);
}
