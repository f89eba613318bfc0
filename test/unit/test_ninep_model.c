/* Random operations go through client, bytes and server to a file system in memory, and beside it to a list of paths
 * that is the model. Every result and, again and again, the whole tree must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include "test/unit/unit.h"
#include "test/unit/ninep_memfs.h"
#include "test/unit/ninep_wire.h"

#define FILES 24u
#define STEPS 6000u

/* One path of the model. What has the same body is the same file under two names. */
struct file {
    bool used;
    char path[64]; /* "a/b"; "" is the root and stands nowhere */
    uint32_t kind;
    int body;
};
static struct file files[FILES];
static struct {
    int size;
    char text[400];
} bodies[FILES];

static struct wire w;
static struct memfs m;
static uint32_t root;
static struct ninep_msg a;

static struct file *find(const char *path)
{
    for (unsigned i = 0; i < FILES; i++)
        if (files[i].used && !strcmp(files[i].path, path))
            return &files[i];
    return NULL;
}

static bool below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && path[n] == '/';
}

static bool is_empty(const char *dir)
{
    for (unsigned i = 0; i < FILES; i++)
        if (files[i].used && below(files[i].path, dir))
            return false;
    return true;
}

static void path_join(char *out, const char *dir, const char *name)
{
    snprintf(out, 64, "%s%s%s", dir, *dir ? "/" : "", name);
}

/* A random directory of the model (depth up to 3) and a random name. */
static const char *any_name(void)
{
    static const char *const names[] = { "a", "b", "c", "dd" };

    return names[rand() % 4];
}

static void any_dir(char *out)
{
    out[0] = 0;
    for (int tries = rand() % 6; tries > 0; tries--) {
        const struct file *f = &files[(unsigned)rand() % FILES];
        if (f->used && f->kind == NINEP_S_IFDIR && strlen(f->path) < 7)
            strcpy(out, f->path);
    }
}

static int free_body(void)
{
    bool used[FILES] = { false };
    int i = 0;

    for (unsigned k = 0; k < FILES; k++)
        if (files[k].used)
            used[files[k].body] = true;
    while (used[i])
        i++;
    return i;
}

static uint32_t model_add(const char *dir, const char *name, uint32_t kind, const char *text)
{
    char path[64];

    path_join(path, dir, name);
    if (find(path))
        return NINEP_EEXIST;
    for (unsigned i = 0; i < FILES; i++) {
        if (files[i].used)
            continue;
        files[i] = (struct file){ .used = true, .kind = kind, .body = free_body() };
        strcpy(files[i].path, path);
        bodies[files[i].body].size = (int)strlen(text);
        strcpy(bodies[files[i].body].text, text);
        return 0;
    }
    fail_msg("the model is full");
    return 0;
}

static bool full(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FILES; i++)
        n += files[i].used;
    return n > FILES - 2;
}

static void step_create(void)
{
    char dir[64], text[40];
    const char *name = any_name();
    uint32_t fid, kind = rand() % 3, want, got;

    if (full())
        return;
    any_dir(dir);
    snprintf(text, sizeof text, "%s text %d", name, rand());
    assert_int_equal(wire_walk(&w, root, dir, &fid), 0);
    if (kind == 0) {
        want = model_add(dir, name, NINEP_S_IFREG, text);
        got = wire_put(&w, fid, name, text);
    } else if (kind == 1) {
        want = model_add(dir, name, NINEP_S_IFDIR, "");
        got = ASK(&w, &a, .type = NINEP_TMKDIR, .fid = fid, .name = name, .mode = 0755);
    } else {
        want = model_add(dir, name, NINEP_S_IFLNK, text);
        got = ASK(&w, &a, .type = NINEP_TSYMLINK, .fid = fid, .name = name, .text = text);
    }
    assert_int_equal(got, want);
    assert_int_equal(wire_clunk(&w, fid), 0);
}

static void step_unlink(void)
{
    char dir[64], path[64];
    const char *name = any_name();
    uint32_t fid, flags = rand() % 2 ? NINEP_REMOVEDIR : 0, want = 0;
    struct file *f;

    any_dir(dir);
    path_join(path, dir, name);
    f = find(path);
    if (!f)
        want = NINEP_ENOENT;
    else if (f->kind == NINEP_S_IFDIR && !flags)
        want = NINEP_EISDIR;
    else if (f->kind != NINEP_S_IFDIR && flags)
        want = NINEP_ENOTDIR;
    else if (f->kind == NINEP_S_IFDIR && !is_empty(path))
        want = NINEP_ENOTEMPTY;
    else
        f->used = false;
    assert_int_equal(wire_walk(&w, root, dir, &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = fid, .name = name, .flags = flags), want);
    assert_int_equal(wire_clunk(&w, fid), 0);
}

static uint32_t model_rename(const char *from, const char *to, const char *to_dir)
{
    struct file *f = find(from), *t = find(to);
    size_t n = strlen(from);
    char moved[128];

    if (!f)
        return NINEP_ENOENT;
    if (t == f || (t && t->body == f->body && f->kind != NINEP_S_IFDIR))
        return 0;
    if (f->kind == NINEP_S_IFDIR && (!strcmp(to_dir, from) || below(to_dir, from)))
        return NINEP_EINVAL;
    if (t && (f->kind == NINEP_S_IFDIR) != (t->kind == NINEP_S_IFDIR))
        return f->kind == NINEP_S_IFDIR ? NINEP_ENOTDIR : NINEP_EISDIR;
    if (t && t->kind == NINEP_S_IFDIR && !is_empty(to))
        return NINEP_ENOTEMPTY;
    if (t)
        t->used = false;
    for (unsigned i = 0; i < FILES; i++) {
        if (!files[i].used || (&files[i] != f && !below(files[i].path, from)))
            continue;
        snprintf(moved, sizeof moved, "%s%s", to, files[i].path + n);
        assert_true(strlen(moved) < sizeof files[i].path);
        strcpy(files[i].path, moved);
    }
    return 0;
}

static void step_rename(void)
{
    char dir1[64], dir2[64], from[64], to[64], name[8];
    uint32_t fid1, fid2;

    any_dir(dir1);
    any_dir(dir2);
    strcpy(name, any_name());
    path_join(from, dir1, name);
    path_join(to, dir2, any_name());
    assert_int_equal(wire_walk(&w, root, dir1, &fid1), 0);
    assert_int_equal(wire_walk(&w, root, dir2, &fid2), 0);
    const char *to_name = strrchr(to, '/') ? strrchr(to, '/') + 1 : to;
    uint32_t got = ASK(&w, &a, .type = NINEP_TRENAMEAT, .fid = fid1, .name = name, .dfid = fid2, .text = to_name);
    assert_int_equal(got, model_rename(from, to, dir2));
    assert_int_equal(wire_clunk(&w, fid1), 0);
    assert_int_equal(wire_clunk(&w, fid2), 0);
}

static void step_link(void)
{
    struct file *f = &files[(unsigned)rand() % FILES], *t;
    char dir[64], path[64];
    const char *name = any_name();
    uint32_t fid, dfid, want = 0;

    if (!f->used || full())
        return;
    any_dir(dir);
    path_join(path, dir, name);
    t = find(path);
    if (f->kind == NINEP_S_IFDIR)
        want = NINEP_EPERM;
    else if (t)
        want = NINEP_EEXIST;
    assert_int_equal(wire_walk(&w, root, f->path, &fid), 0);
    assert_int_equal(wire_walk(&w, root, dir, &dfid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLINK, .fid = fid, .dfid = dfid, .name = name), want);
    if (!want) {
        assert_int_equal(model_add(dir, name, f->kind, ""), 0);
        find(path)->body = f->body;
    }
    assert_int_equal(wire_clunk(&w, fid), 0);
    assert_int_equal(wire_clunk(&w, dfid), 0);
}

/* Writes, appends or cuts a file somewhere. */
static void step_write(void)
{
    const struct file *f = &files[(unsigned)rand() % FILES];
    char data[100];
    int n = rand() % (int)sizeof data, at = rand() % 200, *size = &bodies[f->body].size;
    uint32_t fid,
        flags = (uint32_t[]){ NINEP_WRONLY, NINEP_RDWR | NINEP_TRUNC, NINEP_WRONLY | NINEP_APPEND }[rand() % 3];

    if (!f->used || f->kind != NINEP_S_IFREG)
        return;
    for (int i = 0; i < n; i++)
        data[i] = (char)('a' + rand() % 26);
    assert_int_equal(wire_walk(&w, root, f->path, &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = flags), 0);
    if (flags & NINEP_TRUNC)
        *size = 0;
    if (*size > 200) {
        *size = at;
        assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE, .attr.size = at), 0);
    }
    if (flags & NINEP_APPEND)
        at = *size;
    if (at > *size)
        memset(bodies[f->body].text + *size, 0, (size_t)(at - *size));
    memcpy(bodies[f->body].text + at, data, (size_t)n);
    *size = at + n > *size || at > *size ? at + n : *size;
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .offset = at, .data = data, .count = (uint32_t)n),
                     0);
    assert_int_equal(a.count, n);
    assert_int_equal(wire_clunk(&w, fid), 0);
}

/* Compares every name, kind, size and content, both ways round. */
static void compare_all(const char *dir, unsigned *seen)
{
    char names[512], path[64], *name = names, text[512];
    uint32_t fid;

    assert_int_equal(wire_ls(&w, root, dir, 60, names), 0);
    while (*name) {
        char *end = strchr(name, ' ');
        *end = 0;
        path_join(path, dir, name);
        const struct file *f = find(path);
        assert_non_null(f);
        ++*seen;
        assert_int_equal(wire_walk(&w, root, path, &fid), 0);
        assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid, .attr.valid = NINEP_GETATTR_BASIC), 0);
        assert_int_equal(a.attr.mode & NINEP_S_IFMT, f->kind);
        assert_int_equal(a.attr.size, bodies[f->body].size);
        if (f->kind == NINEP_S_IFLNK) {
            assert_int_equal(ASK(&w, &a, .type = NINEP_TREADLINK, .fid = fid), 0);
            assert_string_equal(a.text, bodies[f->body].text);
        }
        assert_int_equal(wire_clunk(&w, fid), 0);
        if (f->kind == NINEP_S_IFREG) {
            assert_int_equal(wire_cat(&w, root, path, text, sizeof text), 0);
            assert_memory_equal(text, bodies[f->body].text, (size_t)bodies[f->body].size);
        }
        if (f->kind == NINEP_S_IFDIR)
            compare_all(path, seen);
        name = end + 1;
    }
}

static void run(unsigned seed)
{
    static void (*const steps[])(void) = { step_create, step_create, step_unlink, step_rename,
                                           step_link,   step_write,  step_write };

    srand(seed);
    memset(files, 0, sizeof files);
    memfs_init(&m);
    root = wire_init(&w, &m.fs);
    for (unsigned i = 0; i < STEPS; i++) {
        steps[(unsigned)rand() % ARRAY_LEN(steps)]();
        if (i % 50)
            continue;
        unsigned seen = 0, have = 0;
        for (unsigned k = 0; k < FILES; k++)
            have += files[k].used;
        compare_all("", &seen);
        assert_int_equal(seen, have);
    }
    assert_int_equal(w.client_fids[0], 1ull << root);
    assert_int_equal(memfs_holds(&m), 1);
    ninep_server_fini(&w.server);
    assert_int_equal(memfs_holds(&m), 0);
}

static void random_operations_do_what_the_model_does(void **)
{
    for (unsigned seed = 1; seed <= 10; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_operations_do_what_the_model_does) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
