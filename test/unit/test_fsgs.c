/* vm/fsgs.c: RDFSBASE and its like, done for a guest. */
#include "test/unit/unit.h"
#include "ground/fake/fake.h"
#include "vm/fsgs.h"
#include "vm/space.h"
#include "vm/vcpu.h"

#define CODE (PAGE_SIZE - 5) /* the longest form ends with the page */
#define HIGH 0xFFFF800000001000ull

static struct space space;
static struct vcpu v;
static uint64_t base[2];

static int setup(void **)
{
    v = (struct vcpu){ .r.gpr = { [REG_RAX] = HIGH + 0xA, [REG_R8] = HIGH + 8, [REG_RDI] = BIT64(50) } };
    base[0] = HIGH + 0xF;
    base[1] = HIGH + 0x6;
    return space_init(&space, 100, 0) || space_map(&space, 0, PAGE_SIZE, APP_READ | APP_WRITE);
}

static int teardown(void **)
{
    space_fini(&space);
    return fake_pages_in_use() != 0;
}

static bool at(uint64_t rip, const char *code, size_t n)
{
    v.r.rip = rip;
    assert_int_equal(space_write(&space, rip, code, n), OK);
    return fsgs_emulate(&v, &space, base);
}
#define DOES(code) at(CODE, code, sizeof code - 1)

static void each_form_moves_its_base(void **)
{
    assert_true(DOES("\xF3\x48\x0F\xAE\xC1")); /* rdfsbase rcx */
    assert_int_equal(v.r.gpr[REG_RCX], HIGH + 0xF);
    assert_int_equal(v.r.rip, CODE + 5);
    assert_true(DOES("\xF3\x49\x0F\xAE\xC9")); /* rdgsbase r9 */
    assert_int_equal(v.r.gpr[REG_R9], HIGH + 0x6);
    assert_true(DOES("\xF3\x0F\xAE\xC2")); /* rdfsbase edx: the upper half is 0 */
    assert_int_equal(v.r.gpr[REG_RDX], 0x100F);
    assert_int_equal(v.r.rip, CODE + 4);
    assert_true(DOES("\xF3\x49\x0F\xAE\xD0")); /* wrfsbase r8 */
    assert_int_equal(base[0], HIGH + 8);
    assert_true(DOES("\xF3\x0F\xAE\xD8")); /* wrgsbase eax */
    assert_int_equal(base[1], 0x100A);
    assert_true(at(PAGE_SIZE - 4, "\xF3\x0F\xAE\xC0", 4)); /* rdfsbase eax, where the page ends */
    assert_int_equal(v.r.gpr[REG_RAX], 0x1008);
}

static void nothing_else_is_done(void **)
{
    assert_false(DOES("\xF3\x48\x0F\xAE\xD7")); /* wrfsbase rdi: no address */
    assert_false(DOES("\xF3\x48\x0F\xAE\xE0")); /* another of the group */
    assert_false(DOES("\xF3\x48\x0F\xAE\x01")); /* memory */
    assert_false(DOES("\x66\x48\x0F\xAE\xC1"));
    assert_false(DOES("\xF3\x48\x0F\xAF\xC1"));
    assert_false(DOES("\x0F\x0B\x0F\xAE\xC1"));
    v.r.rip = PAGE_SIZE;
    assert_false(fsgs_emulate(&v, &space, base)); /* not mapped */
    assert_int_equal(base[0], HIGH + 0xF);
    assert_int_equal(base[1], HIGH + 0x6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_form_moves_its_base, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_else_is_done, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
