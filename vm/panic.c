/* Recognises a panicked Linux: vm/panic.h. Two signs are taken for it only together:
 *  - a console of the guest got the line that Linux prints last, if it is not going to reboot;
 *  - for seconds, its vCPUs stand as Linux leaves them: one waits in the kernel, always at the same PAUSE, and never halts; all
 *    others sleep with interrupts off.
 * Any program can print the line, but no program can make the CPUs stand so: the scheduler of a healthy kernel halts them, or
 * runs something else. */
#include "vm/panic.h"
#include "ground/ground.h"
#include "vm/cpu.h"
#include "vm/sched.h"
#include "vm/vm.h"

#define LOOK_NS 500000000u
enum { CALM_LOOKS = 5, LOOKS_MAX = 60 };

static _Atomic bool heard; /* by some guest, since the last round */

void vm_hear(struct vm *vm, unsigned *matched, const uint8_t *bytes, size_t n)
{
    static const char last_line[] = "end Kernel panic - not syncing";

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != (uint8_t)last_line[*matched])
            *matched = 0;
        if (bytes[i] == (uint8_t)last_line[*matched] && !last_line[++*matched]) {
            *matched = 0;
            atomic_store(&vm->panic.looks, LOOKS_MAX);
            atomic_store(&heard, true);
            sched_kick_chores();
        }
    }
}

static bool sleeps_for_good(const struct vcpu *v)
{
    uint32_t state = atomic_load(&v->state);

    return state == VCPU_OFF || (state == VCPU_HALTED && !(v->r.rflags & RFLAGS_IF));
}

/* One look. True once it has stood still for long enough. */
static bool stands_still(struct vm *vm)
{
    struct vm_panic *p = &vm->panic;
    uint64_t moves = 0, pauses = 0;
    unsigned waiting = 0, others = 0;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        const struct vcpu *v = vm->vcpu[i];

        moves += v->exits[EXIT_HLT] + v->pause_moves;
        pauses += v->exits[EXIT_PAUSE];
        if (sleeps_for_good(v))
            continue;
        if (v->pause_rip >> 63)
            waiting++;
        else
            others++;
        ground_cpu_kick(v->cpu); /* so that it runs with PAUSE intercepted */
    }
    bool calm = waiting == 1 && !others && moves == p->moves && pauses != p->pauses;
    p->calm = calm ? p->calm + 1 : 0;
    p->moves = moves;
    p->pauses = pauses;
    return p->calm == CALM_LOOKS;
}

uint64_t panic_chore(uint64_t now)
{
    static uint64_t round_at = UINT64_MAX;
    uint64_t next = UINT64_MAX;

    if (!atomic_exchange(&heard, false) && now < round_at)
        return round_at;
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        struct vm_panic *p = &vm->panic;

        if (!atomic_load(&p->looks) || atomic_load(&vm->state) != VM_RUNNING)
            continue;
        if (now >= p->next) {
            p->next = now + ground_ns_to_tsc(LOOK_NS);
            atomic_fetch_sub(&p->looks, 1);
            if (stands_still(vm))
                vm_stop(vm, VM_PANICKED, "its last words are on its console");
        }
        next = min_u64(next, p->next);
    }
    return round_at = next;
}
