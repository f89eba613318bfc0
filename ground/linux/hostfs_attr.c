/* What a file of the host is: its attributes, its locks, and its file system's state. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "ground/linux/hostfs_node.h"

static struct ninep_time time_of(struct statx_timestamp t)
{
    return (struct ninep_time){ (uint64_t)t.tv_sec, t.tv_nsec };
}

err_t hostfs_getattr(struct ninep_req *r)
{
    struct statx s;

    if (syscall(SYS_statx, node_of(r->fid)->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &s) < 0)
        return done(r, -1);
    r->out->attr = (struct ninep_attr){
        .valid = NINEP_GETATTR_BASIC | (s.stx_mask & STATX_BTIME ? NINEP_GETATTR_BTIME : 0),
        .mode = s.stx_mode,
        .uid = s.stx_uid,
        .gid = s.stx_gid,
        .nlink = s.stx_nlink,
        .rdev = makedev(s.stx_rdev_major, s.stx_rdev_minor),
        .size = s.stx_size,
        .blksize = s.stx_blksize,
        .blocks = s.stx_blocks,
        .atime = time_of(s.stx_atime),
        .mtime = time_of(s.stx_mtime),
        .ctime = time_of(s.stx_ctime),
        .btime = time_of(s.stx_btime),
    };
    return OK;
}

static struct timespec time_to(const struct ninep_msg *m, uint32_t bit, uint32_t bit_to, struct ninep_time t)
{
    struct timespec ts = { .tv_nsec = UTIME_OMIT };

    if (m->flags & bit)
        ts.tv_nsec = UTIME_NOW;
    if (m->flags & bit && m->flags & bit_to)
        ts = (struct timespec){ (time_t)t.sec, t.nsec < 1000000000 ? (long)t.nsec : -1 };
    return ts;
}

/* A descriptor with O_PATH can be cut to a size only through another one. */
static int set_size(struct ninep_req *r, int fd, off_t size)
{
    int result, wr;

    if (r->fid->open && (r->fid->flags & NINEP_ACCMODE) != NINEP_RDONLY)
        return ftruncate(fd, size);
    wr = hostfs_reopen(r, fd, O_WRONLY);
    if (wr < 0)
        return -1;
    result = ftruncate(wr, size);
    int saved = errno;
    close(wr);
    errno = saved;
    return result;
}

err_t hostfs_setattr(struct ninep_req *r)
{
    const struct ninep_msg *m = &r->in;
    const struct timespec times[2] = { time_to(m, NINEP_SET_ATIME, NINEP_SET_ATIME_TO, m->attr.atime),
                                       time_to(m, NINEP_SET_MTIME, NINEP_SET_MTIME_TO, m->attr.mtime) };
    uint32_t mode_mask = r->fid->qid.type & NINEP_QTDIR ? DIR_MODE : FILE_MODE;
    int fd = node_of(r->fid)->fd;
    char number[16];

    snprintf(number, sizeof number, "%d", fd);
    if (m->flags & (NINEP_SET_UID | NINEP_SET_GID) &&
        fchownat(fd, "", m->flags & NINEP_SET_UID ? m->attr.uid : (uid_t)-1,
                 m->flags & NINEP_SET_GID ? m->attr.gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
        return done(r, -1);
    if (m->flags & NINEP_SET_MODE && fchmodat(hostfs_of(r)->proc, number, m->attr.mode & mode_mask, 0) < 0)
        return done(r, -1);
    if (m->flags & NINEP_SET_SIZE && set_size(r, fd, (off_t)m->attr.size) < 0)
        return done(r, -1);
    if (m->flags & (NINEP_SET_ATIME | NINEP_SET_MTIME) && utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
        return done(r, -1);
    return OK;
}

err_t hostfs_statfs(struct ninep_req *r)
{
    struct statfs s;

    if (fstatfs(node_of(r->fid)->fd, &s) < 0)
        return done(r, -1);
    r->out->statfs = (struct ninep_statfs){
        .type = (uint32_t)s.f_type,
        .bsize = (uint32_t)s.f_bsize,
        .blocks = s.f_blocks,
        .bfree = s.f_bfree,
        .bavail = s.f_bavail,
        .files = s.f_files,
        .ffree = s.f_ffree,
        .namelen = (uint32_t)s.f_namelen,
    };
    return OK;
}

/* Locks belong to the open file, so two fids of one client stand against each other. */
static struct flock lock_of(const struct ninep_msg *m)
{
    static const short kinds[] = { F_RDLCK, F_WRLCK, F_UNLCK };

    return (struct flock){
        .l_type = kinds[m->kind], .l_whence = SEEK_SET, .l_start = (off_t)m->offset, .l_len = (off_t)m->size
    };
}

err_t hostfs_lock(struct ninep_req *r)
{
    struct flock l;

    if (r->in.kind > NINEP_LOCK_NONE)
        return ERR_INVAL;
    l = lock_of(&r->in);
    r->out->status = NINEP_LOCK_OK;
    if (fcntl(node_of(r->fid)->fd, F_OFD_SETLK, &l) == 0)
        return OK;
    r->out->status = NINEP_LOCK_BLOCKED; /* the client asks again */
    return errno == EAGAIN || errno == EACCES ? OK : done(r, -1);
}

err_t hostfs_getlock(struct ninep_req *r)
{
    struct flock l;

    if (r->in.kind > NINEP_LOCK_WRITE)
        return ERR_INVAL;
    l = lock_of(&r->in);
    if (fcntl(node_of(r->fid)->fd, F_OFD_GETLK, &l) < 0)
        return done(r, -1);
    r->out->kind = l.l_type == F_RDLCK ? NINEP_LOCK_READ : l.l_type == F_WRLCK ? NINEP_LOCK_WRITE : NINEP_LOCK_NONE;
    if (l.l_type == F_UNLCK)
        return OK;
    r->out->offset = (uint64_t)l.l_start;
    r->out->size = (uint64_t)l.l_len;
    return OK;
}
