/* Moves the wall clock of one process, ahead or behind, while it runs: built and preloaded by `testnet torture`, so
 * that the node itself needs no switch for it. The file named by TESTNET_CLOCK holds the milliseconds to add, as a
 * signed 64-bit number in the machine's order. Monotonic clocks stay as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *added_ms;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TESTNET_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) added_ms = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && added_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long ns = now->tv_nsec + (*added_ms % 1000) * 1000000LL;
        now->tv_sec += *added_ms / 1000;
        if (ns < 0) { ns += 1000000000LL; now->tv_sec -= 1; }
        if (ns >= 1000000000LL) { ns -= 1000000000LL; now->tv_sec += 1; }
        now->tv_nsec = ns;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
