/* The fake CPU backend. */
#include "cpu/fake/fake.h"
#include "ground/ground.h"
#include "vm/vm.h"

static void (*default_script)(struct vcpu *);

void fake_script(void (*script)(struct vcpu *)) { default_script = script; }

static const char *lacks(void) { return NULL; }
static err_t cpu_start(void) { return OK; }

static err_t vm_init(struct vm *vm)
{
    vm->hw = ground_alloc(PAGE_SIZE);
    return vm->hw ? OK : ERR_NOMEM;
}

static void vm_fini(struct vm *vm) { ground_free(vm->hw, PAGE_SIZE); }

static err_t vcpu_init(struct vcpu *v)
{
    struct fake_vcpu *f = ground_alloc(sizeof *f);

    if (!f)
        return ERR_NOMEM;
    f->script = default_script;
    f->irq = f->nmi = f->exception = f->last_irq = f->last_exception = -1;
    v->hw = f;
    return OK;
}

static void vcpu_fini(struct vcpu *v) { ground_free(v->hw, sizeof(struct fake_vcpu)); }

static void start_at(struct vcpu *v, const struct vcpu_start *)
{
    fake_of(v)->started = true;
}

static void reset(struct vcpu *v) { fake_of(v)->resets++; }

static void sipi(struct vcpu *v, uint8_t vector)
{
    fake_of(v)->sipi_vector = vector;
    fake_of(v)->started = true;
}

static void load(struct vcpu *v) { fake_of(v)->loads++; }
static void unload(struct vcpu *v) { fake_of(v)->unloads++; }

static void run(struct vcpu *v)
{
    struct fake_vcpu *f = fake_of(v);

    f->last_irq = f->irq >= 0 ? f->irq : f->last_irq;
    f->last_exception = f->exception >= 0 ? f->exception : f->last_exception;
    v->x = (struct exit){ .kind = EXIT_IRQ, .next_rip = v->r.rip + 1 };
    if (f->script)
        f->script(v);
    f->step++;
    f->irq = f->nmi = f->exception = -1;
}

static bool ready(const struct vcpu *v, bool nmi)
{
    const struct fake_vcpu *f = v->hw;
    return !f->shadow && f->exception < 0 && f->nmi < 0 && (nmi ? !f->nmi_masked : v->r.rflags & RFLAGS_IF);
}

static bool holds_irq(const struct vcpu *v) { return ((struct fake_vcpu *)v->hw)->holds; }

static void inject_irq(struct vcpu *v, uint8_t vector)
{
    fake_of(v)->irq = vector;
    fake_of(v)->window = false;
}

static void inject_nmi(struct vcpu *v) { fake_of(v)->nmi = 2; }

static void inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    fake_of(v)->exception = vector;
    fake_of(v)->has_error = has_error;
    fake_of(v)->error = error;
}

static void want_window(struct vcpu *v, bool irq, bool nmi) { fake_of(v)->window = irq || nmi; }
static void want_pause(struct vcpu *v, bool on) { fake_of(v)->pause = on; }
static void skip_done(struct vcpu *v) { fake_of(v)->shadow = false; }
static void sys_get(const struct vcpu *v, struct sys_regs *s) { *s = ((struct fake_vcpu *)v->hw)->sys; }

static err_t msr_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    if (msr != MSR_EFER)
        return ERR_NOTFOUND;
    *val = fake_of(v)->sys.efer;
    return OK;
}

static err_t msr_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    if (msr != MSR_EFER)
        return ERR_NOTFOUND;
    fake_of(v)->sys.efer = val;
    return OK;
}

static err_t xsetbv(struct vcpu *, uint32_t reg, uint64_t val)
{
    return reg || !(val & 1) ? ERR_INVAL : OK;
}

const struct cpu_ops cpu_fake = {
    .name = "fake",
    .lacks = lacks,
    .cpu_start = cpu_start,
    .vm_init = vm_init,
    .vm_fini = vm_fini,
    .vcpu_init = vcpu_init,
    .vcpu_fini = vcpu_fini,
    .start_at = start_at,
    .reset = reset,
    .sipi = sipi,
    .load = load,
    .unload = unload,
    .run = run,
    .ready = ready,
    .holds_irq = holds_irq,
    .inject_irq = inject_irq,
    .inject_nmi = inject_nmi,
    .inject_exception = inject_exception,
    .want_window = want_window,
    .want_pause = want_pause,
    .skip_done = skip_done,
    .sys_get = sys_get,
    .msr_read = msr_read,
    .msr_write = msr_write,
    .xsetbv = xsetbv,
};
