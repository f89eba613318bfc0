#include "app/record.h"
#include "app/area.h"
#include "base/str.h"
#include "ground/ground.h"

/* None, or a page of the text that the file has. */
static bool sled_sound(const struct app_image *i, uint64_t size)
{
    return !i->sled || (i->sled % PAGE_SIZE == 0 && i->sled >= APP_LIBOS && i->sled < i->text_end && i->sled - APP_LIBOS < size);
}

bool libos_sound(const struct app_image *i, uint64_t size)
{
    return size >= sizeof *i && i->magic == APP_MAGIC && i->version == APP_VERSION && i->text_end % PAGE_SIZE == 0 &&
           i->data_end % PAGE_SIZE == 0 && i->text_end > APP_LIBOS && i->data_end > i->text_end && i->data_end <= APP_PROGRAM &&
           size <= i->data_end - APP_LIBOS && sled_sound(i, size) && i->entry < APP_TOP && i->missed < APP_TOP &&
           i->upcalls < APP_TOP - APP_UPCALLS * APP_STUB;
}

err_t libos_map(struct space *s, const struct app_image *i, uint64_t size, libos_part *part, void *owner)
{
    uint64_t in_file = align_up(size, PAGE_SIZE), text = min_u64(i->text_end - APP_LIBOS, in_file), data = in_file - text;
    err_t e = part(owner, APP_LIBOS, text, APP_READ | APP_EXEC, 0);

    if (!e && data)
        e = part(owner, i->text_end, data, APP_READ | APP_WRITE, text);
    if (!e && i->data_end > i->text_end + data)
        e = space_map(s, i->text_end + data, i->data_end - i->text_end - data, APP_READ | APP_WRITE);
    if (!e && i->sled)
        e = part(owner, APP_SLED, PAGE_SIZE, APP_READ | APP_EXEC, i->sled - APP_LIBOS);
    return e;
}

void record_string(struct record_strings *s, const char *text, uint64_t n)
{
    uint64_t end = align_up(s->at, PAGE_SIZE);

    if (s->at + n + 1 > APP_AREA_STRINGS + APP_AREA_STRINGS_MAX)
        s->e = ERR_FULL;
    if (!s->e && end < s->at + n + 1)
        s->e = space_map(s->space, end, align_up(s->at + n + 1, PAGE_SIZE) - end, APP_READ | APP_WRITE | APP_SMALL);
    if (!s->e)
        s->e = space_write(s->space, s->at, text, n); /* the 0 behind it is there already */
    s->at += n + 1;
    s->count++;
}

void record_fill(struct app_boot *b, const char *program, const char *cwd, const char *host)
{
    b->magic = APP_MAGIC;
    b->version = APP_VERSION;
    b->size = sizeof *b;
    b->gate = APP_AREA_GATE;
    b->time = APP_AREA_TIME;
    b->strings = APP_AREA_STRINGS;
    (void)str_copy(b->program, sizeof b->program, program);
    (void)str_copy(b->cwd, sizeof b->cwd, cwd);
    (void)str_copy(b->host, sizeof b->host, host);
    ground_entropy(b->seed, sizeof b->seed);
}

err_t record_write(struct space *s, const struct app_boot *b)
{
    err_t e = space_map(s, APP_AREA, align_up(sizeof *b, PAGE_SIZE), APP_READ | APP_WRITE | APP_SMALL);

    return e ? e : space_write(s, APP_AREA, b, sizeof *b);
}
