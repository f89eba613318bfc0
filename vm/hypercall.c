/* KVM's hypercalls that we offer in CPUID. */
#include "vm/hypercall.h"
#include "vm/apic.h"
#include "vm/cpu.h"
#include "vm/sched.h"
#include "vm/vm.h"

#define KVM_HC_KICK_CPU 5
#define KVM_HC_SEND_IPI 10
#define KVM_ENOSYS 1000
#define KVM_EPERM 1

/* RCX: the APIC id whose HLT is to end. */
static uint64_t kick_cpu(struct vcpu *v)
{
    uint64_t id = v->r.gpr[REG_RCX];

    if (id < v->vm->nvcpus) {
        atomic_store(&v->vm->vcpu[id]->unhalted, true);
        sched_wake(v->vm->vcpu[id]);
    }
    return 0;
}

/* RBX, RCX: bitmap of APIC ids from RDX on; RSI: ICR (vector, and NMI or fixed mode). Result: how many got it. */
static uint64_t send_ipi(struct vcpu *v)
{
    uint64_t bits = v->r.gpr[REG_RBX], base = v->r.gpr[REG_RDX], icr = v->r.gpr[REG_RSI], sent = 0;

    for (unsigned i = 0; i < v->vm->nvcpus; i++) {
        struct vcpu *to = v->vm->vcpu[i];

        if (i < base || i - base > 63 || !(bits >> (i - base) & 1))
            continue;
        if ((icr >> 8 & 7) == APIC_NMI)
            apic_post_nmi(to);
        else
            apic_post(to, (uint8_t)icr, false);
        sent++;
    }
    return sent;
}

void hypercall_exit(struct vcpu *v)
{
    uint64_t n = v->r.gpr[REG_RAX], result = 0 - (uint64_t)KVM_ENOSYS;
    struct sys_regs sys;

    if (n == KVM_HC_KICK_CPU || n == KVM_HC_SEND_IPI) {
        cpu->sys_get(v, &sys);
        result = sys.cpl ? 0 - (uint64_t)KVM_EPERM : n == KVM_HC_KICK_CPU ? kick_cpu(v) : send_ipi(v);
    }
    v->r.gpr[REG_RAX] = result;
}
