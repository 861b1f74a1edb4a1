/* Notes what a process writes below $POWER_CUT_DIR, and what of it is synced, in $POWER_CUT_LOG (see test_power_cut.py).
   Loaded with LD_PRELOAD. A record: kind, path, offset and size in a line, then the bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int log_file = -1;
static const char *folder;
static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void start(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    folder = getenv("POWER_CUT_DIR");
    const char *name = getenv("POWER_CUT_LOG");
    if (folder && name) log_file = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void note_path(char kind, const char *path, long long offset, const void *bytes, size_t size) {
    if (log_file < 0 || strncmp(path, folder, strlen(folder)) != 0) return;
    char head[PATH_MAX + 80];
    int length = snprintf(head, sizeof head, "%c %lld %zu %s\n", kind, offset, size, path);
    if (real_write(log_file, head, length) < 0) abort();
    if (size && real_write(log_file, bytes, size) < 0) abort();
}

static void note(char kind, int file, long long offset, const void *bytes, size_t size) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    note_path(kind, path, offset, bytes, size);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t size) {
    long long offset = lseek64(file, 0, SEEK_CUR);
    ssize_t done = real_write ? real_write(file, bytes, size) : REAL(write)(file, bytes, size);
    if (done > 0 && file != log_file && log_file >= 0) note('W', file, offset, bytes, done);
    return done;
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    ssize_t done = REAL(pwrite64)(file, bytes, size, offset);
    if (done > 0) note('W', file, offset, bytes, done);
    return done;
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) { return pwrite64(file, bytes, size, offset); }
int ftruncate64(int file, off64_t size) {
    int done = REAL(ftruncate64)(file, size);
    if (done == 0) note('T', file, size, "", 0);
    return done;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }
int fsync(int file) {
    int done = REAL(fsync)(file);
    if (done == 0) note('S', file, 0, "", 0);
    return done;
}
int fdatasync(int file) {
    int done = REAL(fdatasync)(file);
    if (done == 0) note('S', file, 0, "", 0);
    return done;
}
int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (done == 0) note_path('U', path, 0, "", 0);
    return done;
}
