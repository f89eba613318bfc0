/* Fuzzes the texts of /vm's ctl files: whatever is written, a guest's configuration stays one that vm_add() takes, commands that
 * fail change nothing and say why, and removing all guests gives all memory back. Input: pieces of text behind a byte each: which
 * file (0: the top's, 1 to 3: a guest's), or mkdir or rmdir of the text. */
#include <stdio.h>
#include <stdlib.h>
#include "cpu/fake/fake.h"
#include "base/panic.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "io/blk.h"
#include "ns/ns.h"
#include "ninep/tree.h"
#include "vm/cpu.h"
#include "vm/sched.h"
#include "vm/start.h"
#include "vm/vcpu.h"
#include "vm/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bytes[0x400];
static const struct ns_file files[] = { { "/k", { bytes, sizeof bytes } }, { "/dir/i", { bytes, 16 } } };
static struct blk disk = { .name = "vda", .sectors = 8, .block_size = 512 };

static struct blk *disk_find(const char *name) { return str_eq(name, "vda") ? &disk : NULL; }
static err_t build(struct vm *vm)
{
    vcpu_start_at(vm->vcpu[0], &(struct vcpu_start){ .rip = 0x1000 });
    return OK;
}
static bool idle(struct vm *vm) { return (void)vm, true; }
static void destroy(struct vm *vm) { (void)vm; }
static const struct machine machine = { .name = "fuzz", .build = build, .idle = idle, .destroy = destroy };

static struct ninep_server server;
static struct ninep_fid fids[16];
static struct ninep_req reqs[4];
static uint8_t answer[8192 + 512];

/* The answer's type. */
static uint8_t ask(const struct ninep_msg *m)
{
    static uint8_t t[8192];
    uint32_t len, got;

    if (ninep_encode(m, t, sizeof t, &len))
        return NINEP_RLERROR;
    ASSERT(!ninep_server_take(&server, t, len, answer, &got) && got);
    return answer[4];
}

static void settle(void)
{
    for (int i = 0; i < 6; i++) {
        fake_set_tsc(ground_tsc() + 10000000);
        sched_step();
        vm_reap();
    }
}

static void config_check(void)
{
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        const struct vm_config *c = &vm->cfg;
        ASSERT(c->vcpus >= 1 && c->vcpus <= VM_VCPUS_MAX && c->memory && c->memory % MEM_CHUNK == 0);
        ASSERT(c->ndisks <= VM_DISKS_MAX && c->ninitrd <= VM_INITRDS_MAX && vm->nshares <= VM_SHARES_MAX);
        ASSERT(strlen(c->name) < sizeof c->name && strlen(c->cmdline) < sizeof c->cmdline && strlen(c->spaces) < sizeof c->spaces);
        for (unsigned i = 0; i < c->ndisks; i++)
            ASSERT(c->blk[i] == &disk);
    }
}

/* Writes the text to NAME/ctl, or, without a name, to ctl. */
static void ctl(const char *name, const char *text, uint32_t n)
{
    struct ninep_msg walk = { .type = NINEP_TWALK, .fid = 0, .dfid = 1, .nwalk = name ? 2 : 1, .wname = { name ? name : "ctl", "ctl" } };
    struct vm_config before = { .name = "" };
    const struct vm *vm = name ? vm_find(name) : NULL;

    if (vm)
        before = vm->cfg;
    if (ask(&walk) == NINEP_RLERROR)
        return;
    if (ask(&(struct ninep_msg){ .type = NINEP_TLOPEN, .fid = 1, .flags = NINEP_RDWR }) != NINEP_RLERROR) {
        uint8_t type = ask(&(struct ninep_msg){ .type = NINEP_TWRITE, .fid = 1, .count = n, .data = text });
        ASSERT(type == NINEP_RLERROR || type == NINEP_TWRITE + 1);
        if (type == NINEP_RLERROR && vm)
            ASSERT(!memcmp(&before, &vm->cfg, sizeof before));
        type = ask(&(struct ninep_msg){ .type = NINEP_TREAD, .fid = 1, .count = 1000 });
        ASSERT(type == NINEP_TREAD + 1);
    }
    ask(&(struct ninep_msg){ .type = NINEP_TCLUNK, .fid = 1 });
}

static void start(void)
{
    static const struct ns_setup setup = { .file = files, .nfiles = ARRAY_LEN(files), .disk = disk_find, .pc = &machine, .app = &machine };
    const struct vm_config cfg = { .name = "a", .memory = MIB(4), .vcpus = 1, .spaces = "/vm" };
    struct vm *vm;

    cpu = &cpu_fake;
    fake_set_cpus(1, 0);
    sched_init();
    work_init();
    ns_init(&setup);
    ASSERT(!ns_guest_add(&cfg, &machine, &vm));
    server = (struct ninep_server){ .fs = vm->share[0].fs, .fids = fids, .nfids = 16, .reqs = reqs, .nreqs = 4, .msize_max = 8192 };
    ninep_server_init(&server);
    ask(&(struct ninep_msg){ .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 8192, .text = NINEP_VERSION });
    ask(&(struct ninep_msg){ .type = NINEP_TATTACH, .fid = 0, .dfid = NINEP_NOFID, .name = "" });
    ctl(NULL, "create b", 8);
    ctl("b", "linux /k memory=32M", 19);
}

static void end(void)
{
    char line[64];

    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(NULL)) {
        vm_stop(vm, VM_STOPPED, "%s", "");
        settle();
        int n = snprintf(line, sizeof line, "remove %s", vm->cfg.name);
        ctl(NULL, line, (uint32_t)n);
    }
    ninep_server_fini(&server);
    ASSERT(fake_pages_in_use() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { NULL, "a", "b", "c" };
    char text[4200];
    unsigned steps = 0;

    start();
    while (size && steps++ < 24) {
        uint8_t op = *data++;
        size_t n = 0;
        for (size--; n < size && n < sizeof text - 1 && data[n] != 0xFF; n++)
            text[n] = (char)data[n];
        text[n] = 0;
        data += n + (n < size);
        size -= n + (n < size);
        if (op % 8 < 4)
            ctl(names[op % 4], text, (uint32_t)n);
        else if (op % 8 == 4)
            ask(&(struct ninep_msg){ .type = NINEP_TMKDIR, .fid = 0, .dfid = 0, .name = text });
        else if (op % 8 == 5)
            ask(&(struct ninep_msg){ .type = NINEP_TUNLINKAT, .fid = 0, .dfid = 0, .name = text, .flags = NINEP_REMOVEDIR });
        else
            settle();
        config_check();
    }
    end();
    return 0;
}
