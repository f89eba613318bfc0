#pragma once
/* A guest on the fake CPU and the fake ground, for tests of vm/ and dev/. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "cpu/fake/fake.h"
#include "ground/fake/fake.h"
#include "vm/irq.h"
#include "vm/run.h"
#include "vm/sched.h"
#include "vm/vm.h"

static inline err_t kit_build(struct vm *vm)
{
    static const struct vcpu_start at = { .rip = 0x1000 };
    vcpu_start_at(vm->vcpu[0], &at);
    return OK;
}
static inline bool kit_idle(struct vm *vm)
{
    (void)vm;
    return true;
}
static inline void kit_destroy(struct vm *vm) { (void)vm; }

static const struct machine kit_machine = { .name = "test", .build = kit_build, .idle = kit_idle, .destroy = kit_destroy };

/* A running guest with its own name; 4 MiB; its APICs are in x2APIC mode. cpus: of the fake machine. */
static inline struct vm *kit_vm(unsigned vcpus)
{
    static unsigned count;
    struct vm_config cfg = { .memory = MIB(4), .vcpus = vcpus };
    struct vm *vm;

    cpu = &cpu_fake;
    cfg.name[0] = (char)('a' + count / 26 % 26);
    cfg.name[1] = (char)('a' + count++ % 26);
    assert_int_equal(vm_add(&cfg, &kit_machine, &vm), OK);
    assert_int_equal(vm_start(vm), OK);
    for (unsigned i = 0; i < vcpus; i++)
        apic_set_base(vm->vcpu[i], vm->vcpu[i]->apic.base | APIC_BASE_X2APIC);
    return vm;
}

/* Ends the guest and checks that it is gone. */
static inline void kit_end(struct vm *vm)
{
    vm_stop(vm, VM_STOPPED, "%s", "");
    for (int i = 0; i < 1000 && atomic_load(&vm->state) != VM_OFF; i++) {
        for (unsigned c = ground_cpus(); c-- > 0;) {
            fake_set_cpus(ground_cpus(), c);
            fake_set_tsc(ground_tsc() + 10000000); /* past every slice */
            sched_step();
        }
        vm_reap();
    }
    assert_int_equal(atomic_load(&vm->state), VM_OFF);
}
