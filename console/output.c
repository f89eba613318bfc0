/* The two outputs. Order of locks: a view's, then `lock`. */
#include "console/output.h"
#include "base/str.h"
#include "console/paint.h"
#include "ground/ground.h"

#define PUMP_BYTES 4096u  /* at most so many at a time, however fast the port is */
#define PAINT_AHEAD 2048u /* a slow line has at most this much of a painted screen waiting */
#define DRAW_NS 2000000u  /* drawing pauses after this time for guests to run */

static struct serial_port *serial;
static struct screen *screen;
static struct view *_Atomic shown;

static struct lock lock;
/* under lock; the ring is emptied by CPU 0 only */
static struct ring ring;
static struct view *live; /* whose bytes pass */
static bool overflow;     /* they did not all fit; live is NULL since */

/* CPU 0 */
static enum { PAINTING, LIVE, STILL } state; /* STILL: scrolled back, painted */
static uint32_t swaps;                       /* term.swaps when painting began */
static uint32_t back;
static uint64_t back_at; /* term.scrolled when back was set */
static struct drawn_cursor {
    unsigned x, y;
    bool shown;
} cursor;                  /* on the screen */
static unsigned draw_next; /* row; they take turns, for one may change all the time */
static struct cell row[TERM_COLS_MAX];

void output_init(struct serial_port *port, struct screen *scr, void *mem)
{
    ring_init(&ring, mem, OUTPUT_RING);
    serial = port;
    screen = scr;
}

struct view *output_shown(void) { return atomic_load(&shown); }

void output_bytes(struct view *v, const uint8_t *bytes, size_t n)
{
    lock_take(&lock);
    if (live == v && ring_room(&ring) < n) {
        live = NULL;
        overflow = true;
    }
    for (size_t i = 0; live == v && i < n; i++)
        ring_put(&ring, bytes[i]);
    lock_drop(&lock);
}

bool output_live(const struct view *v) { return serial && state == LIVE && output_shown() == v; }

/* --- serial --- */

bool output_pump(void)
{
    unsigned sent = 0;
    size_t n, took;

    do {
        lock_take(&lock);
        uint32_t at = ring.tail & ring.mask;
        n = min_size(min_size(ring_used(&ring), OUTPUT_RING - at), PUMP_BYTES - sent);
        lock_drop(&lock);
        took = n ? serial->ops->write(serial, ring.buf + at, n) : 0; /* nobody else takes from the ring */
        lock_take(&lock);
        ring.tail += (uint32_t)took;
        lock_drop(&lock);
        sent += (unsigned)took;
    } while (took && took == n);
    return sent;
}

/* Throws away what waits, which is out of date, and begins to paint. Under the view's lock. */
static void paint_begin(struct view *v)
{
    const struct term *t = &v->term;

    lock_take(&lock);
    live = NULL;
    overflow = false;
    ring.tail = ring.head;
    paint_reset(&ring);
    if (t->modes & TERM_ALT && !back) {
        for (unsigned y = 0; y < t->rows && ring_room(&ring) > paint_row_max(t->cols) + PAINT_STATE_MAX; y++)
            paint_row(&ring, t->main + y * t->cols, t->cols, y);
        paint_alternate(&ring, t);
    }
    lock_drop(&lock);
    term_dirty_all(&v->term, TERM_DIRTY_SERIAL);
    for (unsigned y = 0; y < t->rows; y++)
        if (!paint_row_end(term_row(t, y, output_back()), t->cols)) /* it is blank already */
            v->term.dirty[y] &= (uint8_t)~TERM_DIRTY_SERIAL;
    swaps = t->swaps;
    state = PAINTING;
}

static bool ring_has_more_than(uint32_t n)
{
    lock_take(&lock);
    bool more = ring_used(&ring) > n;
    lock_drop(&lock);
    return more;
}

/* Paints what has changed, row by row. False if the line is too slow for all of it now. */
static bool paint_rows(struct view *v)
{
    for (unsigned y = 0; y < v->term.rows; y++) {
        if (ring_has_more_than(PAINT_AHEAD))
            output_pump();
        if (ring_has_more_than(PAINT_AHEAD))
            return false;
        lock_take(&v->lock);
        if (v->term.dirty[y] & TERM_DIRTY_SERIAL) {
            lock_take(&lock);
            paint_row(&ring, term_row(&v->term, y, output_back()), v->term.cols, y);
            lock_drop(&lock);
        }
        v->term.dirty[y] &= (uint8_t)~TERM_DIRTY_SERIAL;
        lock_drop(&v->lock);
    }
    return true;
}

/* Lets the guest's bytes pass if the terminal shows all it wrote and it is not in the middle of a sequence. False if
 * there is more to paint. */
static bool paint_end(struct view *v)
{
    bool clean = true;

    lock_take(&v->lock);
    if (swaps != v->term.swaps && !back)
        paint_begin(v); /* the terminal is on the wrong one of its two screens */
    for (unsigned y = 0; y < v->term.rows; y++)
        clean &= !(v->term.dirty[y] & TERM_DIRTY_SERIAL);
    lock_take(&lock);
    if (back) {
        paint_text(&ring, "\33[?25l");
        state = STILL;
    } else if (clean && term_between(&v->term)) {
        paint_state(&ring, &v->term);
        live = v;
        state = LIVE;
    }
    lock_drop(&lock);
    lock_drop(&v->lock);
    return clean || state == STILL;
}

/* True if anything was sent. */
static bool serial_run(struct view *v, bool *more)
{
    lock_take(&v->lock);
    if (overflow) /* set under this view's lock: it was live */
        paint_begin(v);
    lock_drop(&v->lock);
    if (state == PAINTING)
        *more |= !paint_rows(v) || !paint_end(v);
    bool sent = output_pump();
    *more |= ring_has_more_than(0);
    return sent;
}

/* --- screen --- */

static void cursor_follow(struct view *v)
{
    const struct term *t = &v->term;

    lock_take(&v->lock);
    struct drawn_cursor to = { t->cur.x, t->cur.y, t->modes & TERM_CURSOR && !back };
    if (cursor.x != to.x || cursor.y != to.y || cursor.shown != to.shown) {
        v->term.dirty[cursor.y] |= TERM_DIRTY_SCREEN;
        v->term.dirty[to.y] |= TERM_DIRTY_SCREEN;
    }
    cursor = to;
    lock_drop(&v->lock);
}

static bool draw_row(struct view *v, unsigned y)
{
    unsigned n = v->term.cols;

    lock_take(&v->lock);
    bool dirty = v->term.dirty[y] & TERM_DIRTY_SCREEN;
    v->term.dirty[y] &= (uint8_t)~TERM_DIRTY_SCREEN;
    if (dirty)
        memcpy(row, term_row(&v->term, y, output_back()), n * sizeof *row);
    lock_drop(&v->lock);
    if (!dirty)
        return false;
    if (cursor.shown && cursor.y == y)
        row[cursor.x].flags ^= CELL_REVERSE;
    screen->ops->draw(screen, y, row, n);
    return true;
}

/* True if anything was drawn. */
static bool screen_run(struct view *v, bool *more)
{
    uint64_t until = ground_tsc() + ground_ns_to_tsc(DRAW_NS);
    bool drew = false;
    unsigned i = 0;

    cursor_follow(v);
    for (; i < v->term.rows && ground_tsc() <= until; i++) {
        drew |= draw_row(v, draw_next);
        draw_next = (draw_next + 1) % v->term.rows;
    }
    *more |= i < v->term.rows;
    return drew;
}

/* --- both --- */

uint32_t output_back(void)
{
    struct view *v = output_shown();
    uint64_t lines = back ? back + (v->term.scrolled - back_at) : 0;

    return (uint32_t)min_u64(lines, v->term.history);
}

bool output_scrolled(void) { return back; }

void output_show(struct view *v, uint32_t lines)
{
    atomic_store(&shown, v);
    lock_take(&v->lock);
    back = lines < v->term.history ? lines : v->term.history;
    back_at = v->term.scrolled;
    term_dirty_all(&v->term, TERM_DIRTY_SCREEN);
    if (serial)
        paint_begin(v);
    lock_drop(&v->lock);
}

bool output_run(bool *more)
{
    struct view *v = output_shown();
    bool sent = serial && serial_run(v, more);

    return (screen && screen_run(v, more)) || sent;
}
