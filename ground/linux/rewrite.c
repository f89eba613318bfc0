/* Finds `syscall` instructions in a program's text that can be turned into `call *%rax`, of the same two bytes' length, because two things are
 * sure: it is an instruction and not a part of one (the code around it is disassembled from two starts that agree), and
 * nothing lives in the red zone there, which the call's return address would overwrite. What is left alone still works, slowly:
 * it traps. Text may come from a hostile file: the work is bounded by its length. */
#define _GNU_SOURCE
#include <string.h>
#include "ground/linux/code.h"
#include "ground/linux/rewrite.h"

#define BACK 1024u   /* how far a function's start is looked for */
#define FORWARD 96u  /* how far behind the site uses of the red zone are looked for */
#define STEPS 400u

struct scan {
    const uint8_t *text;
    uint64_t len;
};

/* True if padding, or an instruction that nothing follows, ends right before at: one-byte forms, and the long no-operations, which end in zeros. */
static bool padding_before(const struct scan *s, uint64_t at)
{
    static const struct {
        uint8_t len, bytes[8];
    } nops[] = { { 3, { 0x0F, 0x1F, 0x00 } },
                 { 4, { 0x0F, 0x1F, 0x40, 0x00 } },
                 { 5, { 0x0F, 0x1F, 0x44, 0x00, 0x00 } },
                 { 7, { 0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00 } },
                 { 8, { 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 } } };
    uint8_t last = s->text[at - 1];

    for (size_t i = 0; i < ARRAY_LEN(nops); i++)
        if (at >= nops[i].len && memcmp(s->text + at - nops[i].len, nops[i].bytes, nops[i].len) == 0)
            return true;
    return last == 0x90 || last == 0xCC || last == 0xC3;
}

/* Compilers align functions to 16 bytes with padding between them. Looking back from site, finds the n-th such place. */
static uint64_t start_before(const struct scan *s, uint64_t site, unsigned n)
{
    uint64_t low = site > BACK ? site - BACK : 0;

    for (uint64_t at = site & ~15ull; at > low; at -= 16)
        if (padding_before(s, at) && n-- == 0)
            return at;
    return low;
}

struct use {
    bool reached; /* the site is an instruction, as seen from this start */
    bool red_zone;
};

static struct use walk(const struct scan *s, uint64_t from, uint64_t site)
{
    bool rsp = false, rbp = false, room = false;
    struct use u = { false, false };
    struct code c;

    for (unsigned step = 0; step < STEPS && from < s->len && from < site + FORWARD; step++) {
        if (!code_read(s->text + from, s->len - from, &c)) {
            if (from >= site)
                break;
            from++; /* data between functions */
            continue;
        }
        u.reached |= from == site && c.kind == CODE_SYSCALL;
        rsp |= c.below_rsp;
        rbp |= c.below_rbp; /* a frame pointer may be the stack pointer */
        room |= c.makes_room;
        from += c.length;
        if (from > site && (!u.reached || c.kind == CODE_END))
            break;
    }
    u.red_zone = rsp || (rbp && !room);
    return u;
}

/* Two starts must agree that it is an instruction. The nearer one decides about the red zone: the farther one may lie in another function. */
static bool site_safe(const struct scan *s, uint64_t site)
{
    struct use near = walk(s, start_before(s, site, 0), site);
    struct use far = walk(s, start_before(s, site, 1), site);

    return near.reached && far.reached && !near.red_zone;
}

const uint8_t rewrite_call[2] = { 0xFF, 0xD0 };

void rewrite_find(const uint8_t *text, uint64_t len, void (*found)(void *arg, uint64_t site), void *arg)
{
    struct scan s = { .text = text, .len = len };
    const uint8_t *at = text;

    while ((at = memchr(at, 0x05, (size_t)(text + len - at)))) {
        uint64_t site = (uint64_t)(at - text);
        at++;
        if (site && text[site - 1] == 0x0F && site_safe(&s, site - 1))
            found(arg, site - 1);
    }
}
