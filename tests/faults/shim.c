/* Counts the file-system calls of a program and of all it starts, and at the Nth kills it or lets the call fail.
 *
 * Preloaded (LD_PRELOAD) into git-stage, so that SQLite, libgit2 and the git program are counted, too. What is to happen
 * stands in a file that all of them map (FAULTS_CONTROL; injector.py writes it). Only calls below one folder count.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What a call may do; a fault names those that it can strike. The same values are in injector.py. */
enum { OPEN = 1, READ = 2, LOOK = 4, CHANGE = 8, SPACE = 16, SYNC = 32, LOCK = 64 };

struct control {
  _Atomic int armed;  /* 0: nothing is counted */
  int strikes;        /* kinds of calls that count */
  int error;          /* errno of the call that is struck; 0: SIGKILL for the process group */
  int target;         /* the number of that call, from 1; 0: only count */
  int lasting;        /* all later ones fail, too */
  _Atomic int count;
  _Atomic int hit;    /* 0, or the id of the process that was struck */
  char call[24];      /* what was struck */
  char program[24];   /* in which program */
  char path[1024];    /* on which file */
  char root[1024];    /* the folder below which calls count */
  char spared[24];    /* a program whose calls do not count */
};

static struct control *control;

__attribute__((constructor)) static void start(void) {
  const char *name = getenv("FAULTS_CONTROL");
  int fd = name ? syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0) : -1;
  if (fd < 0) return;
  void *found = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (found != MAP_FAILED) control = found;
  syscall(SYS_close, fd);
}

static int is_counted(int fd, const char *path, char *full, size_t size) {
  char link[40];
  ssize_t length = 0;
  if (!path || path[0] != '/') {
    if (fd == AT_FDCWD) {
      if (syscall(SYS_getcwd, full, size) < 0) return 0;
      length = strlen(full);
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      length = syscall(SYS_readlinkat, AT_FDCWD, link, full, size - 1);
      if (length < 0) return 0;
      full[length] = 0;
    }
  }
  if (path && path[0]) snprintf(full + length, size - length, "%s%s", length ? "/" : "", path);
  size_t root = strlen(control->root);
  return !strncmp(full, control->root, root) && (full[root] == '/' || !full[root]);
}

/* 1 if this call is to fail with errno as it is now; 2 if the process is to die after a part of the call. */
static int struck(int kind, const char *call, int fd, const char *path) {
  if (!control || !control->armed || !(kind & control->strikes)) return 0;
  if (!strcmp(program_invocation_short_name, control->spared)) return 0;
  int before = errno;
  char full[1024];
  if (!is_counted(fd, path, full, sizeof full)) {
    errno = before;
    return 0;
  }
  errno = before;
  int number = atomic_fetch_add(&control->count, 1) + 1;
  if (!control->target || number < control->target || (number > control->target && !control->lasting)) return 0;
  if (number == control->target) {
    snprintf(control->call, sizeof control->call, "%s", call);
    snprintf(control->program, sizeof control->program, "%s", program_invocation_short_name);
    snprintf(control->path, sizeof control->path, "%s", full);
    control->hit = getpid();
  }
  if (!control->error) return 2;
  errno = control->error;
  return 1;
}

static void die(void) {
  control->armed = 0; /* those that are still alive for a moment must not be struck */
  kill(0, SIGKILL);
  for (;;) pause();
}

#define REAL(type, name, ...)                       \
  static type (*real)(__VA_ARGS__);                 \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define STRIKE(kind, name, fd, path, failed)        \
  do {                                              \
    int what = struck(kind, #name, fd, path);       \
    if (what == 2) die();                           \
    if (what) return failed;                        \
  } while (0)

#define ON_PATH(kind, type, name, declared, fd, path, ...) \
  type name declared {                                     \
    static type(*real) declared;                           \
    if (!real) real = (type(*) declared)dlsym(RTLD_NEXT, #name); \
    STRIKE(kind, name, fd, path, -1);                      \
    return real(__VA_ARGS__);                              \
  }

static int opened(int flags) {
  int kind = OPEN;
  if (flags & (O_CREAT | O_TRUNC)) kind |= CHANGE;
  if (flags & O_CREAT) kind |= SPACE;
  return kind;
}

#define MODE                                  \
  mode_t mode = 0;                            \
  if (flags & (O_CREAT | __O_TMPFILE)) {      \
    va_list more;                             \
    va_start(more, flags);                    \
    mode = va_arg(more, mode_t);              \
    va_end(more);                             \
  }

#define OPENS(name)                                       \
  int name(const char *path, int flags, ...) {            \
    MODE REAL(int, name, const char *, int, ...);         \
    STRIKE(opened(flags), name, AT_FDCWD, path, -1);      \
    return real(path, flags, mode);                       \
  }
#define OPENS_AT(name)                                    \
  int name(int fd, const char *path, int flags, ...) {    \
    MODE REAL(int, name, int, const char *, int, ...);    \
    STRIKE(opened(flags), name, fd, path, -1);            \
    return real(fd, path, flags, mode);                   \
  }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
ON_PATH(opened(flags), int, __open64_2, (const char *path, int flags), AT_FDCWD, path, path, flags)
ON_PATH(opened(flags), int, __openat64_2, (int fd, const char *path, int flags), fd, path, fd, path, flags)

#define FOPENS(name)                                                                       \
  FILE *name(const char *path, const char *how) {                                          \
    REAL(FILE *, name, const char *, const char *);                                        \
    STRIKE(how[0] == 'r' ? OPEN : OPEN | CHANGE | SPACE, name, AT_FDCWD, path, NULL);      \
    return real(path, how);                                                                \
  }
FOPENS(fopen)
FOPENS(fopen64)
DIR *opendir(const char *path) {
  REAL(DIR *, opendir, const char *);
  STRIKE(OPEN, opendir, AT_FDCWD, path, NULL);
  return real(path);
}

ON_PATH(READ, ssize_t, read, (int fd, void *data, size_t size), fd, NULL, fd, data, size)
ON_PATH(READ, ssize_t, pread, (int fd, void *data, size_t size, off_t at), fd, NULL, fd, data, size, at)
ON_PATH(READ, ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), fd, NULL, fd, data, size, at)

/* A process that dies in a write may have written a part. */
#define WRITES(name, declared, half, ...)                          \
  ssize_t name declared {                                          \
    static ssize_t(*real) declared;                                \
    if (!real) real = (ssize_t(*) declared)dlsym(RTLD_NEXT, #name); \
    int what = struck(CHANGE | SPACE, #name, fd, NULL);            \
    if (what == 2) {                                               \
      if (size > 1) (void)!half;                                   \
      die();                                                       \
    }                                                              \
    return what ? -1 : real(__VA_ARGS__);                          \
  }
WRITES(write, (int fd, const void *data, size_t size), real(fd, data, size / 2), fd, data, size)
WRITES(pwrite, (int fd, const void *data, size_t size, off_t at), real(fd, data, size / 2, at), fd, data, size, at)
WRITES(pwrite64, (int fd, const void *data, size_t size, off64_t at), real(fd, data, size / 2, at), fd, data, size, at)
WRITES(sendfile, (int fd, int in, off_t *at, size_t size), real(fd, in, at, size / 2), fd, in, at, size)
WRITES(sendfile64, (int fd, int in, off64_t *at, size_t size), real(fd, in, at, size / 2), fd, in, at, size)
WRITES(copy_file_range, (int in, off64_t *from, int fd, off64_t *at, size_t size, unsigned flags),
       real(in, from, fd, at, size / 2, flags), in, from, fd, at, size, flags)
ON_PATH(CHANGE | SPACE, ssize_t, writev, (int fd, const struct iovec *parts, int count), fd, NULL, fd, parts, count)
ON_PATH(CHANGE | SPACE, int, ftruncate, (int fd, off_t size), fd, NULL, fd, size)
ON_PATH(CHANGE | SPACE, int, ftruncate64, (int fd, off64_t size), fd, NULL, fd, size)

/* Of two names the second, which appears, counts. */
ON_PATH(CHANGE | SPACE, int, rename, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_PATH(CHANGE | SPACE, int, renameat, (int d, const char *a, int e, const char *b), e, b, d, a, e, b)
ON_PATH(CHANGE | SPACE, int, link, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_PATH(CHANGE | SPACE, int, linkat, (int d, const char *a, int e, const char *b, int f), e, b, d, a, e, b, f)
ON_PATH(CHANGE | SPACE, int, symlink, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_PATH(CHANGE | SPACE, int, symlinkat, (const char *a, int d, const char *b), d, b, a, d, b)
ON_PATH(CHANGE | SPACE, int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, path, mode)
ON_PATH(CHANGE | SPACE, int, mkdirat, (int fd, const char *path, mode_t mode), fd, path, fd, path, mode)
ON_PATH(CHANGE, int, unlink, (const char *path), AT_FDCWD, path, path)
ON_PATH(CHANGE, int, unlinkat, (int fd, const char *path, int flags), fd, path, fd, path, flags)
ON_PATH(CHANGE, int, rmdir, (const char *path), AT_FDCWD, path, path)
ON_PATH(CHANGE, int, chmod, (const char *path, mode_t mode), AT_FDCWD, path, path, mode)
ON_PATH(CHANGE, int, fchmod, (int fd, mode_t mode), fd, NULL, fd, mode)
ON_PATH(CHANGE, int, fchmodat, (int fd, const char *path, mode_t mode, int f), fd, path, fd, path, mode, f)
ON_PATH(CHANGE, int, utimensat, (int fd, const char *path, const struct timespec t[2], int f), fd, path, fd, path, t, f)
ON_PATH(CHANGE, int, futimens, (int fd, const struct timespec t[2]), fd, NULL, fd, t)
ON_PATH(SYNC | CHANGE, int, fsync, (int fd), fd, NULL, fd)
ON_PATH(SYNC | CHANGE, int, fdatasync, (int fd), fd, NULL, fd)
ON_PATH(SYNC | CHANGE, int, syncfs, (int fd), fd, NULL, fd)
ON_PATH(LOCK, int, flock, (int fd, int what), fd, NULL, fd, what)

ON_PATH(LOOK, int, stat, (const char *path, struct stat *s), AT_FDCWD, path, path, s)
ON_PATH(LOOK, int, stat64, (const char *path, struct stat64 *s), AT_FDCWD, path, path, s)
ON_PATH(LOOK, int, lstat, (const char *path, struct stat *s), AT_FDCWD, path, path, s)
ON_PATH(LOOK, int, lstat64, (const char *path, struct stat64 *s), AT_FDCWD, path, path, s)
ON_PATH(LOOK, int, fstatat, (int d, const char *path, struct stat *s, int f), d, path, d, path, s, f)
ON_PATH(LOOK, int, fstatat64, (int d, const char *path, struct stat64 *s, int f), d, path, d, path, s, f)
