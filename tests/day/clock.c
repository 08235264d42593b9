/* A clock for a whole machine of processes that runs at any rate, for `python -m tests.day`.

   Loaded by LD_PRELOAD. The file that DAY_CLOCK names holds one page, which the trial writes: a moment of the real
   clock, what the others show at that moment, and how fast they go from there. Waits of threads last as long as the
   clock says. What waits for a file or a socket waits in real time, so that a server that answers is never too late.

   libfaketime can't be used: Python waits by sem_clockwait, which it leaves alone, so each wait has no end. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* A wait looks at the clock this often, because its rate may have changed. */
#define SLICE (20 * SECOND / 1000)

struct page {
    volatile uint32_t number; /* odd while it is being written */
    uint32_t unused;
    volatile int64_t real, wall, steady; /* nanoseconds */
    volatile double rate;
};

static struct page *page;

static int (*next_sem_clockwait)(sem_t *, clockid_t, const struct timespec *);
static int (*next_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static int64_t real_clock(clockid_t id) {
    struct timespec t;
    syscall(SYS_clock_gettime, id, &t);
    return nanoseconds(&t);
}

static int is_wall(clockid_t id) { return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE; }

static int is_ours(clockid_t id) {
    return is_wall(id) || id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW || id == CLOCK_MONOTONIC_COARSE ||
           id == CLOCK_BOOTTIME;
}

static int64_t shown(clockid_t id, double *rate) {
    if (!page || !is_ours(id)) {
        *rate = 1;
        return real_clock(id);
    }
    for (;;) {
        uint32_t number = page->number;
        __sync_synchronize();
        int64_t real = page->real, base = is_wall(id) ? page->wall : page->steady;
        *rate = page->rate;
        __sync_synchronize();
        if (!(number & 1) && number == page->number)
            return base + (int64_t)((real_clock(CLOCK_MONOTONIC) - real) * *rate);
    }
}

__attribute__((constructor)) static void start(void) {
    next_sem_clockwait = dlsym(RTLD_NEXT, "sem_clockwait");
    next_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next_cond_timedwait)
        next_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    const char *name = getenv("DAY_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof(struct page), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        page = found;
}

int clock_gettime(clockid_t id, struct timespec *t) {
    if (!page || !is_ours(id))
        return syscall(SYS_clock_gettime, id, t);
    double rate;
    *t = timespec_of(shown(id, &rate));
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    double rate;
    int64_t now = shown(CLOCK_REALTIME, &rate);
    (void)zone;
    t->tv_sec = now / SECOND;
    t->tv_usec = now % SECOND / 1000;
    return 0;
}

time_t time(time_t *t) {
    double rate;
    time_t now = shown(CLOCK_REALTIME, &rate) / SECOND;
    if (t)
        *t = now;
    return now;
}

/* Return how long to wait in real time, a slice at most; 0 once the moment has come. */
static int64_t slice_until(clockid_t id, int64_t moment) {
    double rate;
    int64_t left = moment - shown(id, &rate);
    if (left <= 0)
        return 0;
    int64_t wait = (int64_t)(left / rate) + 1000;
    return wait < SLICE ? wait : SLICE;
}

int sem_clockwait(sem_t *sem, clockid_t id, const struct timespec *until) {
    for (;;) {
        int64_t wait = slice_until(id, nanoseconds(until));
        struct timespec end = timespec_of(real_clock(CLOCK_MONOTONIC) + wait);
        if (!next_sem_clockwait(sem, CLOCK_MONOTONIC, &end))
            return 0;
        if (errno != ETIMEDOUT || !wait)
            return -1;
    }
}

int sem_timedwait(sem_t *sem, const struct timespec *until) { return sem_clockwait(sem, CLOCK_REALTIME, until); }

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    /* Which clock a condition has is not known, but no machine has been up for 30 years. */
    clockid_t id = until->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    double rate;
    int64_t left = nanoseconds(until) - shown(id, &rate);
    /* Python's threads take turns every 5 ms. At a high rate they would do nothing else. */
    int64_t wait = left <= SLICE ? left : slice_until(id, nanoseconds(until));
    struct timespec end = timespec_of(real_clock(id) + (wait > 0 ? wait : 0));
    int result = next_cond_timedwait(cond, mutex, &end);
    if (result == ETIMEDOUT && slice_until(id, nanoseconds(until)))
        return 0; /* as if woken: a caller looks at its condition and waits again */
    return result;
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *asked, struct timespec *rest) {
    double rate;
    int64_t end = nanoseconds(asked) + (flags & TIMER_ABSTIME ? 0 : shown(id, &rate));
    for (;;) {
        int64_t wait = slice_until(id, end);
        if (!wait)
            return 0;
        struct timespec part = timespec_of(wait);
        if (syscall(SYS_nanosleep, &part, NULL)) {
            if (rest && !(flags & TIMER_ABSTIME)) {
                int64_t left = end - shown(id, &rate);
                *rest = timespec_of(left > 0 ? left : 0);
            }
            return errno;
        }
    }
}

int nanosleep(const struct timespec *asked, struct timespec *rest) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, asked, rest);
    if (!error)
        return 0;
    errno = error;
    return -1;
}
