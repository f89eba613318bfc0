#pragma once
/* A simple model of spaces beside the real ones: an array of pages with rights and one number each. The unit test and the fuzzer
 * drive both and compare. Three windows of addresses, so that ends of tables of every level are among them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "ground/fake/fake.h"
#include "ground/ground.h"
#include "vm/space.h"

#define MODEL_SPACES 3
#define MODEL_PAGES 2080
#define MODEL_IMAGE_PAGES 1024
#define MODEL_OBJECTS 3
#define MODEL_OBJECT_PAGES 600
#define MODEL_NONE 0xFFu /* prot of a page that is not mapped */

struct model_page {
    uint8_t prot;
    uint64_t value; /* of its first 8 bytes */
    uint64_t *cell; /* of an object: there it is */
};
struct model_object {
    bool open;
    unsigned number, pages;
    uint64_t *value; /* of each page; what was mapped of a closed one has them still, so they are freed at the end */
};
struct model {
    struct space space[MODEL_SPACES];
    struct model_page page[MODEL_SPACES][MODEL_PAGES];
    bool live[MODEL_SPACES];
    struct model_object object[MODEL_SPACES][MODEL_OBJECTS];
    uint64_t **old; /* values of objects that were closed */
    unsigned nold;
    uint8_t *image;
};

/* Page n's address: six MiB from 0, 16 pages around 1 GiB, the last of all. */
static inline uint64_t model_at(unsigned n)
{
    if (n < 2048)
        return (uint64_t)n * PAGE_SIZE;
    return n < 2064 ? GIB(1) + (uint64_t)(n - 2048) * PAGE_SIZE - 8 * PAGE_SIZE : APP_TOP - (uint64_t)(MODEL_PAGES - n) * PAGE_SIZE;
}
/* How many pages from n on are neighbours, up to count. */
static inline unsigned model_run(unsigned n, unsigned count)
{
    unsigned end = n < 2048 ? 2048 : n < 2064 ? 2064 : MODEL_PAGES;

    return count < end - n ? count : end - n;
}

static inline uint64_t model_image_value(uint64_t page) { return 0x1000000 + page; }

static inline void model_space(struct model *m, unsigned i, uint64_t limit)
{
    if (space_init(&m->space[i], limit, 0))
        return;
    m->live[i] = true;
    memset(m->object[i], 0, sizeof m->object[i]);
    for (unsigned n = 0; n < MODEL_PAGES; n++)
        m->page[i][n] = (struct model_page){ .prot = MODEL_NONE };
}
static inline void model_object_close(struct model *m, unsigned i, struct model_object *o)
{
    if (!o->open)
        return;
    space_object_close(&m->space[i], o->number);
    m->old = realloc(m->old, (m->nold + 1) * sizeof *m->old);
    m->old[m->nold++] = o->value;
    *o = (struct model_object){ 0 };
}
static inline void model_drop(struct model *m, unsigned i)
{
    for (unsigned k = 0; m->live[i] && k < MODEL_OBJECTS; k++)
        model_object_close(m, i, &m->object[i][k]);
    if (m->live[i])
        space_fini(&m->space[i]);
    m->live[i] = false;
}

static inline void model_init(struct model *m, uint64_t limit)
{
    memset(m, 0, sizeof *m);
    m->image = aligned_alloc(MIB(2), MODEL_IMAGE_PAGES * PAGE_SIZE);
    memset(m->image, 0x5A, MODEL_IMAGE_PAGES * PAGE_SIZE);
    for (unsigned n = 0; n < MODEL_IMAGE_PAGES; n++)
        memcpy(m->image + (size_t)n * PAGE_SIZE, &(uint64_t){ model_image_value(n) }, 8);
    model_space(m, 0, limit);
}
static inline void model_fini(struct model *m)
{
    for (unsigned i = 0; i < MODEL_SPACES; i++)
        model_drop(m, i);
    for (unsigned n = 0; n < MODEL_IMAGE_PAGES; n++) { /* nobody has written to the image itself */
        ASSERT(!memcmp(m->image + (size_t)n * PAGE_SIZE, &(uint64_t){ model_image_value(n) }, 8));
        ASSERT(m->image[(size_t)n * PAGE_SIZE + 8] == 0x5A);
    }
    while (m->nold)
        free(m->old[--m->nold]);
    free(m->old);
    free(m->image);
}

static inline uint64_t model_mapped(const struct model *m, unsigned i)
{
    uint64_t n = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++)
        n += m->page[i][p].prot != MODEL_NONE && !m->page[i][p].cell;
    for (unsigned k = 0; k < MODEL_OBJECTS; k++)
        n += m->object[i][k].pages;
    return n;
}

/* Compares one page: its contents, and whether an access of each kind is let through. */
static inline void model_check(struct model *m, unsigned i, unsigned n)
{
    struct model_page *p = &m->page[i][n];
    bool readable = p->prot != MODEL_NONE && p->prot, executable = readable && p->prot & APP_EXEC;
    uint64_t value = ~0ull;
    err_t e = space_read(&m->space[i], model_at(n), &value, sizeof value);

    ASSERT(e == (readable ? OK : ERR_RANGE));
    ASSERT(!readable || value == (p->cell ? *p->cell : p->value));
    if (!executable)
        ASSERT(space_fault(&m->space[i], model_at(n), SPACE_FAULT_FETCH) == ERR_RANGE);
    if (!readable || !(p->prot & APP_WRITE))
        ASSERT(space_fault(&m->space[i], model_at(n), SPACE_FAULT_WRITE) == ERR_RANGE);
}
static inline void model_check_all(struct model *m)
{
    for (unsigned i = 0; i < MODEL_SPACES; i++) {
        if (!m->live[i])
            continue;
        ASSERT(m->space[i].leaving || m->space[i].mapped == model_mapped(m, i)); /* what a closed one has is not in the model */
        for (unsigned n = 0; n < MODEL_PAGES; n++)
            model_check(m, i, n);
    }
}

enum model_op { MODEL_MAP, MODEL_IMAGE, MODEL_UNMAP, MODEL_PROTECT, MODEL_WRITE, MODEL_FAULT, MODEL_CLONE, MODEL_END, MODEL_OBJECT, MODEL_OPS };

static inline void model_change(struct model *m, unsigned i, enum model_op op, unsigned n, unsigned count, unsigned prot)
{
    struct space *s = &m->space[i];
    uint64_t at = model_at(n), len = (uint64_t)count * PAGE_SIZE;
    unsigned from = prot & APP_SMALL ? 3 : n % 512; /* image pages: badly and well placed for large pages */
    unsigned rights = prot & (APP_READ | APP_WRITE | APP_EXEC);
    err_t e;

    if (op == MODEL_IMAGE && from + count > MODEL_IMAGE_PAGES)
        count = MODEL_IMAGE_PAGES - from, len = (uint64_t)count * PAGE_SIZE;
    e = op == MODEL_MAP     ? space_map(s, at, len, prot)
        : op == MODEL_IMAGE ? space_map_image(s, at, len, rights, hpa_of(m->image + (size_t)from * PAGE_SIZE))
        : op == MODEL_UNMAP ? space_unmap(s, at, len)
                            : space_protect(s, at, len, rights);
    ASSERT(e == OK || e == ERR_NOMEM);
    if (e)
        return;
    for (unsigned k = 0; k < count; k++) {
        struct model_page *p = &m->page[i][n + k];
        bool was = p->prot != MODEL_NONE;
        if (op == MODEL_UNMAP || (op == MODEL_MAP && !rights))
            *p = (struct model_page){ .prot = MODEL_NONE };
        else
            *p = (struct model_page){ (uint8_t)(rights & (APP_WRITE | APP_EXEC) ? rights | APP_READ : rights),
                                      op == MODEL_IMAGE ? model_image_value(from + k) : op == MODEL_PROTECT && was ? p->value : 0,
                                      op == MODEL_PROTECT && was ? p->cell : NULL };
    }
}

static inline void model_access(struct model *m, unsigned i, enum model_op op, unsigned n, uint64_t value)
{
    struct model_page *p = &m->page[i][n];
    bool may = p->prot != MODEL_NONE && p->prot & APP_WRITE;
    err_t e = op == MODEL_WRITE ? space_write(&m->space[i], model_at(n), &value, sizeof value) :
                                  space_fault(&m->space[i], model_at(n) + 100, SPACE_FAULT_WRITE);

    ASSERT(e == (may ? OK : ERR_RANGE) || e == ERR_NOMEM);
    if (!e && op == MODEL_WRITE)
        *(p->cell ? p->cell : &p->value) = value;
}

/* Opens an object, or closes it, or grows it, or maps some of it: what stands in `how`. */
static inline void model_object(struct model *m, unsigned i, unsigned n, unsigned count, unsigned prot, unsigned how)
{
    struct model_object *o = &m->object[i][how % MODEL_OBJECTS];
    struct space *s = &m->space[i];
    unsigned pages = how / 16 * 40 + 1, from = n % MODEL_OBJECT_PAGES;
    err_t e;

    if (!o->open) {
        e = space_object_open(s, &o->number);
        ASSERT(e == OK || e == ERR_NOMEM || (e == ERR_FULL && s->objects == SPACE_OBJECTS));
        if (!e)
            *o = (struct model_object){ true, o->number, 0, calloc(MODEL_OBJECT_PAGES + 256, sizeof *o->value) };
        return;
    }
    if (prot == 0) {
        model_object_close(m, i, o);
        return;
    }
    if (how & 8) {
        e = space_object_grow(s, o->number, (uint64_t)pages * PAGE_SIZE);
        ASSERT(e == ERR_NOMEM || e == (pages < o->pages ? ERR_INVAL : OK));
        o->pages = e ? o->pages : pages;
        return;
    }
    prot &= APP_READ | APP_WRITE | APP_EXEC;
    e = space_map_object(s, model_at(n), (uint64_t)count * PAGE_SIZE, prot, o->number, (uint64_t)from * PAGE_SIZE);
    ASSERT(from + count > o->pages ? e == ERR_RANGE : e == OK || e == ERR_NOMEM);
    for (unsigned k = 0; !e && k < count; k++)
        m->page[i][n + k] = (struct model_page){ (uint8_t)(prot & (APP_WRITE | APP_EXEC) ? prot | APP_READ : prot), 0, &o->value[from + k] };
}

static inline void model_step(struct model *m, const uint8_t in[8])
{
    enum model_op op = in[0] % MODEL_OPS;
    unsigned i = in[1] % MODEL_SPACES, to = (i + 1 + in[2] % (MODEL_SPACES - 1)) % MODEL_SPACES;
    unsigned n = (in[3] | in[4] << 8) % MODEL_PAGES, count = in[5] < 200 ? in[5] % 20 + 1 : (in[5] - 199u) * 40;
    unsigned prot = in[6] & (APP_READ | APP_WRITE | APP_EXEC | APP_SMALL);

    if (!m->live[i])
        return;
    count = model_run(n, count);
    if (in[1] & 0x80 && n < 2048) /* whole 2 MiB */
        n = n / 512 * 512, count = (count + 511) / 512 * 512 <= 2048 - n ? (count + 511) / 512 * 512 : 2048 - n;
    if (op <= MODEL_PROTECT) {
        model_change(m, i, op, n, count, prot);
    } else if (op <= MODEL_FAULT) {
        model_access(m, i, op, n, in[7] + 1u);
    } else if (op == MODEL_OBJECT) {
        model_object(m, i, n, count, prot, in[7]);
    } else if (op == MODEL_CLONE && !space_shares(&m->space[i])) {
        model_drop(m, to);
        model_space(m, to, m->space[i].limit);
        if (m->live[to]) {
            space_clone(&m->space[i], &m->space[to]);
            memcpy(m->page[to], m->page[i], sizeof m->page[i]);
        }
    } else if (op == MODEL_END && i) {
        model_drop(m, i);
    }
    for (unsigned s = 0; s < MODEL_SPACES; s++)
        for (unsigned k = n ? n - 1 : 0; m->live[s] && k < n + 3 && k < MODEL_PAGES; k++)
            model_check(m, s, k);
}
