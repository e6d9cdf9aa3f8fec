/*
 * A layer under the store: preloaded into a process, it sees what that process does to the files below
 * one folder, writes all of it into a journal, and lets it fail when told to. Everything else passes.
 *
 *   GASTOWN_SHIM_DIR      the folder, as an absolute path without symbolic links
 *   GASTOWN_SHIM_JOURNAL  the journal, appended to; it lies outside of the folder
 *   GASTOWN_SHIM_CONTROL  a file of 64-bit numbers (`struct control`) that whoever started the process
 *                         may change at any time: how much room there is, which call fails
 *   GASTOWN_SHIM_FORGETS  when set, syncs are answered and not journaled: a disk that lies
 *
 * With a journal no sync reaches the real disk: what would have been on it is found by whoever reads
 * the journal. One lock is held during each call, so the journal has the true order of all of them. A
 * kill by `kill_at` falls between two calls: then journal and files agree, and the next process may go
 * on with both.
 *
 * Calls go to the kernel by number, so that nothing is looked up and nothing of ours is seen by us.
 */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEVER UINT64_MAX

/* All count down to the call that they mean; NEVER means none. Keep in step with `control.rs`. */
struct control {
    volatile uint64_t room;          /* bytes by which files may still grow */
    volatile uint64_t read_only;     /* not 0: nothing may be changed */
    volatile uint64_t failing_sync;  /* the sync that fails */
    volatile uint64_t failing_write; /* the write that fails */
    volatile uint64_t failing_for;   /* how many after it fail as well */
    volatile uint64_t kill_at;       /* the change at which the process dies */
    volatile uint64_t changes;       /* how many there were */
    volatile uint64_t failed;        /* how many calls were made to fail */
};

/* Kinds of entries in the journal. Keep in step with `journal.rs`. */
enum kind { BEGIN = 1, CREATE, WRITE, TRUNCATE, SYNC, SYNC_FAILED, RENAME, UNLINK, MKDIR, RMDIR, LINK };

struct entry {
    uint32_t magic, kind;
    uint64_t file, at, length; /* length of what follows */
};
#define MAGIC 0x67740a01u

static char dir[PATH_MAX];
static size_t dir_length;
static int journal = -1;
static int forgets;
static struct control nothing = { NEVER, 0, NEVER, NEVER, 0, NEVER, 0, 0 };
static struct control *control = &nothing;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int failed(int error)
{
    control->failed++;
    errno = error;
    return -1;
}

static void die(const char *why)
{
    dprintf(2, "shim: %s\n", why);
    abort();
}

static void note(enum kind kind, uint64_t file, uint64_t at, const struct iovec *data, int count, uint64_t length)
{
    struct entry entry = { MAGIC, kind, file, at, length };
    struct iovec parts[IOV_MAX];
    int n = 1, i;
    uint64_t left = length;

    if (journal < 0)
        return;
    parts[0].iov_base = &entry;
    parts[0].iov_len = sizeof entry;
    for (i = 0; i < count && left > 0 && n < IOV_MAX; i++, n++) {
        parts[n] = data[i];
        if (parts[n].iov_len > left)
            parts[n].iov_len = left;
        left -= parts[n].iov_len;
    }
    if (left > 0 || syscall(SYS_writev, journal, parts, n) != (ssize_t)(sizeof entry + length))
        die("the journal cannot be written");
}

static void note_name(enum kind kind, uint64_t file, const char *name, const char *other)
{
    struct iovec parts[2] = { { (void *)name, strlen(name) + 1 }, { (void *)(other ? other : ""), other ? strlen(other) : 0 } };
    note(kind, file, 0, parts, 2, parts[0].iov_len + parts[1].iov_len);
}

/* Called after each change, with the lock held: nothing is under way then. */
static void changed(void)
{
    control->changes++;
    if (control->kill_at != NEVER && control->kill_at-- == 0)
        syscall(SYS_kill, getpid(), SIGKILL);
}

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("GASTOWN_SHIM_DIR"), *to = getenv("GASTOWN_SHIM_JOURNAL");
    const char *by = getenv("GASTOWN_SHIM_CONTROL");
    struct stat stat;

    /* What this process starts is left alone. */
    unsetenv("LD_PRELOAD");
    if (!where || strlen(where) >= sizeof dir)
        return;
    if (by) {
        int fd = syscall(SYS_openat, AT_FDCWD, by, O_RDWR | O_CLOEXEC, 0);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            die("the control file cannot be mapped");
        control = map;
    }
    if (to && (journal = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
        die("the journal cannot be opened");
    forgets = getenv("GASTOWN_SHIM_FORGETS") != NULL;
    strcpy(dir, where);
    dir_length = strlen(dir);
    if (journal >= 0) {
        if (lstat(dir, &stat) < 0)
            die("there is no such folder");
        note(BEGIN, stat.st_ino, 0, NULL, 0, 0);
    }
}

/* What of an absolute path is below the folder; none when it is elsewhere. */
static const char *below(const char *path)
{
    if (dir_length == 0 || strncmp(path, dir, dir_length) != 0)
        return NULL;
    if (path[dir_length] == 0)
        return path + dir_length;
    return path[dir_length] == '/' ? path + dir_length + 1 : NULL;
}

/* Writes the absolute path of `path` into `into`; the last name need not exist. */
static const char *inside(int at, const char *path, char into[2 * PATH_MAX])
{
    char given[2 * PATH_MAX], link[64], *slash;
    ssize_t length;

    if (dir_length == 0 || !path)
        return NULL;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX)
            return NULL;
        strcpy(given, path);
    } else {
        if (at == AT_FDCWD) {
            if (syscall(SYS_getcwd, given, PATH_MAX) < 0)
                return NULL;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            if ((length = syscall(SYS_readlinkat, AT_FDCWD, link, given, PATH_MAX - 1)) < 0)
                return NULL;
            given[length] = 0;
        }
        if (strlen(given) + strlen(path) + 2 >= PATH_MAX)
            return NULL;
        strcat(given, "/");
        strcat(given, path);
    }
    for (length = strlen(given); length > 1 && given[length - 1] == '/'; length--)
        given[length - 1] = 0;
    slash = strrchr(given, '/');
    if (slash == given)
        return NULL;
    *slash = 0;
    if (!realpath(given, into))
        return NULL;
    strcat(into, "/");
    strcat(into, slash + 1);
    return below(into);
}

/* Whether `fd` is a file or folder below the folder; then also which. */
static int ours(int fd, struct stat *stat)
{
    char link[64], path[PATH_MAX];
    ssize_t length;

    if (dir_length == 0 || fstat(fd, stat) < 0 || !(S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1)) < 0)
        return 0;
    path[length] = 0;
    return below(path) != NULL;
}

/* Whether this call is the one that is to fail, or one of those after it. */
static int is_due(volatile uint64_t *countdown)
{
    if (*countdown == NEVER)
        return 0;
    if (*countdown > 0) {
        --*countdown;
        return 0;
    }
    if (control->failing_for == NEVER)
        return 1;
    if (control->failing_for-- == 0) {
        control->failing_for = 0;
        *countdown = NEVER;
    }
    return 1;
}

/* Opening. */

static int open_(int at, const char *path, int flags, mode_t mode)
{
    char full[2 * PATH_MAX];
    struct stat stat;
    const char *name = flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR) ? inside(at, path, full) : NULL;
    int fd, known;

    if (!name)
        return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&turn);
    known = lstat(full, &stat) == 0;
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    if (!known && control->room == 0) {
        pthread_mutex_unlock(&turn);
        return failed(ENOSPC);
    }
    fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && !known && fstat(fd, &stat) == 0) {
        note_name(CREATE, stat.st_ino, name, NULL);
        changed();
    } else if (fd >= 0 && (flags & O_TRUNC) && stat.st_size > 0) {
        if (control->room != NEVER)
            control->room += stat.st_size;
        note(TRUNCATE, stat.st_ino, 0, NULL, 0, 0);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE(flags, mode)                                   \
    do {                                                    \
        if ((flags) & (O_CREAT | O_TMPFILE)) {              \
            va_list list;                                   \
            va_start(list, flags);                          \
            mode = va_arg(list, mode_t);                    \
            va_end(list);                                   \
        }                                                   \
    } while (0)

int open(const char *path, int flags, ...) { mode_t mode = 0; MODE(flags, mode); return open_(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { mode_t mode = 0; MODE(flags, mode); return open_(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { mode_t mode = 0; MODE(flags, mode); return open_(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { mode_t mode = 0; MODE(flags, mode); return open_(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Writing. `at` is -1 for the place where the descriptor stands. */

static ssize_t write_(int fd, const struct iovec *data, int count, off_t at)
{
    struct stat stat;
    struct iovec less[IOV_MAX];
    uint64_t length = 0, fits, place;
    ssize_t wrote;
    int i, n;

    if (!ours(fd, &stat)) {
        /* The calls that are not ours must stay the calls that they were. */
        if (at < 0)
            return count == 1 ? syscall(SYS_write, fd, data[0].iov_base, data[0].iov_len) : syscall(SYS_writev, fd, data, count);
        return count == 1 ? syscall(SYS_pwrite64, fd, data[0].iov_base, data[0].iov_len, at) : syscall(SYS_pwritev, fd, data, count, at, 0);
    }
    pthread_mutex_lock(&turn);
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    if (is_due(&control->failing_write)) {
        pthread_mutex_unlock(&turn);
        return failed(EIO);
    }
    for (i = 0; i < count; i++)
        length += data[i].iov_len;
    fstat(fd, &stat);
    if (at >= 0)
        place = at;
    else if (fcntl(fd, F_GETFL) & O_APPEND)
        place = stat.st_size;
    else
        place = lseek(fd, 0, SEEK_CUR);
    /* Room is taken by what makes a file longer; a write that has not enough of it is cut short. */
    fits = length;
    if (control->room != NEVER && place + length > (uint64_t)stat.st_size) {
        uint64_t from = place > (uint64_t)stat.st_size ? place : (uint64_t)stat.st_size;
        uint64_t grows = place + length - from;
        if (grows > control->room) {
            fits = from - place + control->room;
            if (fits == 0 || place > (uint64_t)stat.st_size + control->room) {
                pthread_mutex_unlock(&turn);
                return failed(ENOSPC);
            }
            control->failed++;
            grows = control->room;
        }
        control->room -= grows;
    }
    for (i = n = 0, length = fits; i < count && length > 0 && n < IOV_MAX; i++, n++) {
        less[n] = data[i];
        if (less[n].iov_len > length)
            less[n].iov_len = length;
        length -= less[n].iov_len;
    }
    wrote = at < 0 ? syscall(SYS_writev, fd, less, n) : syscall(SYS_pwritev, fd, less, n, at, 0);
    if (wrote > 0) {
        note(WRITE, stat.st_ino, place, less, n, wrote);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return wrote;
}

#define ONE(data, length) (&(struct iovec){ (void *)(data), length })

ssize_t write(int fd, const void *data, size_t length) { return write_(fd, ONE(data, length), 1, -1); }
ssize_t writev(int fd, const struct iovec *data, int count) { return write_(fd, data, count, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return write_(fd, ONE(data, length), 1, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return write_(fd, ONE(data, length), 1, at); }
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t at) { return write_(fd, data, count, at); }
ssize_t pwritev64(int fd, const struct iovec *data, int count, off_t at) { return write_(fd, data, count, at); }
ssize_t pwritev2(int fd, const struct iovec *data, int count, off_t at, int flags) { (void)flags; return write_(fd, data, count, at); }
ssize_t pwritev64v2(int fd, const struct iovec *data, int count, off_t at, int flags) { (void)flags; return write_(fd, data, count, at); }

/* Copies inside the kernel: whoever asks falls back to reading and writing. */
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags)
{
    struct stat stat;
    if (ours(out, &stat)) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
}

static ssize_t sendfile_(int out, int in, off_t *from, size_t length)
{
    struct stat stat;
    if (ours(out, &stat)) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_sendfile, out, in, from, length);
}
ssize_t sendfile(int out, int in, off_t *from, size_t length) { return sendfile_(out, in, from, length); }
ssize_t sendfile64(int out, int in, off_t *from, size_t length) { return sendfile_(out, in, from, length); }

/* Lengths. */

static int cut(int fd, off_t length)
{
    struct stat stat;
    int done;

    if (!ours(fd, &stat))
        return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&turn);
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    fstat(fd, &stat);
    done = syscall(SYS_ftruncate, fd, length);
    if (done == 0) {
        if (control->room != NEVER && length < stat.st_size)
            control->room += stat.st_size - length;
        note(TRUNCATE, stat.st_ino, length, NULL, 0, 0);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int allocate(int fd, int mode, off_t at, off_t length)
{
    struct stat stat;
    int done;

    if (!ours(fd, &stat))
        return syscall(SYS_fallocate, fd, mode, at, length);
    if (mode != 0)
        die("fallocate with a mode is not known here");
    pthread_mutex_lock(&turn);
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    fstat(fd, &stat);
    if (control->room != NEVER && at + length > stat.st_size) {
        uint64_t grows = at + length - stat.st_size;
        if (grows > control->room) {
            pthread_mutex_unlock(&turn);
            return failed(ENOSPC);
        }
        control->room -= grows;
    }
    done = syscall(SYS_fallocate, fd, mode, at, length);
    if (done == 0 && at + length > stat.st_size) {
        note(TRUNCATE, stat.st_ino, at + length, NULL, 0, 0);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int fallocate(int fd, int mode, off_t at, off_t length) { return allocate(fd, mode, at, length); }
int fallocate64(int fd, int mode, off_t at, off_t length) { return allocate(fd, mode, at, length); }
static int posix_allocate(int fd, off_t at, off_t length) { return allocate(fd, 0, at, length) < 0 ? errno : 0; }
int posix_fallocate(int fd, off_t at, off_t length) { return posix_allocate(fd, at, length); }
int posix_fallocate64(int fd, off_t at, off_t length) { return posix_allocate(fd, at, length); }

/* Syncing. */

static int sync_(int fd, long number)
{
    struct stat stat;
    int done;

    if (!ours(fd, &stat))
        return syscall(number, fd);
    pthread_mutex_lock(&turn);
    if (is_due(&control->failing_sync)) {
        /* The kernel takes the pages for clean after that. */
        note(SYNC_FAILED, stat.st_ino, 0, NULL, 0, 0);
        pthread_mutex_unlock(&turn);
        return failed(EIO);
    }
    done = journal < 0 ? syscall(number, fd) : 0;
    if (done == 0 && !forgets)
        note(SYNC, stat.st_ino, 0, NULL, 0, 0);
    if (done == 0)
        changed();
    pthread_mutex_unlock(&turn);
    return done;
}
int fsync(int fd) { return sync_(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_(fd, SYS_fdatasync); }

/* Promises nothing at all when the power goes. */
int sync_file_range(int fd, off_t at, off_t length, unsigned flags)
{
    struct stat stat;
    if (!ours(fd, &stat) || journal < 0)
        return syscall(SYS_sync_file_range, fd, at, length, flags);
    return 0;
}
int sync_file_range64(int fd, off_t at, off_t length, unsigned flags) { return sync_file_range(fd, at, length, flags); }

/* Names. */

static int rename_(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    char full_from[2 * PATH_MAX], full_to[2 * PATH_MAX];
    const char *old = inside(from_at, from, full_from), *new = inside(to_at, to, full_to);
    struct stat stat;
    int done;

    if (!old && !new)
        return syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (!old || !new || flags & ~1u /* RENAME_NOREPLACE */)
        die("a rename across the border of the folder is not known here");
    pthread_mutex_lock(&turn);
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    if (control->room != NEVER && lstat(full_to, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_nlink == 1)
        control->room += stat.st_size;
    done = syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (done == 0) {
        note_name(RENAME, 0, old, new);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int rename(const char *from, const char *to) { return rename_(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return rename_(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) { return rename_(from_at, from, to_at, to, flags); }

static int unlink_(int at, const char *path, int flags)
{
    char full[2 * PATH_MAX];
    const char *name = inside(at, path, full);
    struct stat stat;
    int done;

    if (!name)
        return syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&turn);
    if (control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    if (lstat(full, &stat) < 0)
        stat.st_size = stat.st_nlink = 0;
    done = syscall(SYS_unlinkat, at, path, flags);
    if (done == 0) {
        if (control->room != NEVER && !(flags & AT_REMOVEDIR) && stat.st_nlink == 1)
            control->room += stat.st_size;
        note_name(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, name, NULL);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int unlink(const char *path) { return unlink_(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_(at, path, flags); }
int rmdir(const char *path) { return unlink_(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path)
{
    int done = unlink_(AT_FDCWD, path, 0);
    return done < 0 && errno == EISDIR ? unlink_(AT_FDCWD, path, AT_REMOVEDIR) : done;
}

static int mkdir_(int at, const char *path, mode_t mode)
{
    char full[2 * PATH_MAX];
    const char *name = inside(at, path, full);
    struct stat stat;
    int done;

    if (!name)
        return syscall(SYS_mkdirat, at, path, mode);
    pthread_mutex_lock(&turn);
    if (lstat(full, &stat) < 0 && (control->read_only || control->room == 0)) {
        pthread_mutex_unlock(&turn);
        return failed(control->read_only ? EROFS : ENOSPC);
    }
    done = syscall(SYS_mkdirat, at, path, mode);
    if (done == 0 && lstat(full, &stat) == 0) {
        note_name(MKDIR, stat.st_ino, name, NULL);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdir_(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return mkdir_(at, path, mode); }

static int link_(int from_at, const char *from, int to_at, const char *to, int flags)
{
    char full_from[2 * PATH_MAX], full_to[2 * PATH_MAX];
    const char *old = inside(from_at, from, full_from), *new = inside(to_at, to, full_to);
    int done;

    pthread_mutex_lock(&turn);
    if (new && control->read_only) {
        pthread_mutex_unlock(&turn);
        return failed(EROFS);
    }
    done = syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (done == 0 && new) {
        if (!old)
            die("a link across the border of the folder is not known here");
        note_name(LINK, 0, old, new);
        changed();
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int link(const char *from, const char *to) { return link_(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) { return link_(from_at, from, to_at, to, flags); }

/* Ways past all of this. */

static void *map_(void *address, size_t length, int protection, int flags, int fd, off_t at)
{
    struct stat stat;
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) && ours(fd, &stat))
        die("a mapped file cannot be followed");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, at);
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at) { return map_(address, length, protection, flags, fd, at); }
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t at) { return map_(address, length, protection, flags, fd, at); }

/* How much room there is. */

static int little_left(const char *path, struct statvfs *into, int done)
{
    char full[2 * PATH_MAX];
    if (done == 0 && control->room != NEVER && into->f_frsize > 0 && inside(AT_FDCWD, path, full))
        into->f_bavail = into->f_bfree = control->room / into->f_frsize;
    return done;
}
int statvfs(const char *path, struct statvfs *into)
{
    static int (*real)(const char *, struct statvfs *);
    if (!real)
        real = dlsym(RTLD_NEXT, "statvfs");
    return little_left(path, into, real(path, into));
}
int statvfs64(const char *path, struct statvfs64 *into)
{
    static int (*real)(const char *, struct statvfs64 *);
    if (!real)
        real = dlsym(RTLD_NEXT, "statvfs64");
    return little_left(path, (struct statvfs *)into, real(path, into));
}
