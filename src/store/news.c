#include "store/news.h"

#include "base/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SETS = 1 << 16 };

struct news_map {
    _Atomic uint32_t waiting[PLACES_MOST + 1]; /* by place: wants to be woken */
    _Atomic uint64_t counters[SETS];
};

/* Many collections share a counter anyway: nothing is gained by choosing names that do. */
static _Atomic uint64_t *counter_of(const struct news *news, const char *path)
{
    static const unsigned char key[SIPHASH_KEY_SIZE];

    return &news->map->counters[siphash_hash(key, str_of(path)) & (SETS - 1)];
}

/* A full disk must say so now: touching a page of a hole there ends the process with SIGBUS. Not
 * posix_fallocate, which where this is not supported would write into what others count in. */
static bool reserve_blocks(int fd)
{
    return ftruncate(fd, sizeof(struct news_map)) == 0 &&
           (fallocate(fd, 0, 0, sizeof(struct news_map)) == 0 || errno == EOPNOTSUPP);
}

static bool map_file(struct news *news, struct error *error)
{
    int fd = openat(news->disk->root_fd, ".journal/news", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_errno(error, errno, ".journal/news: cannot open it");
    bool ok = reserve_blocks(fd);
    void *map =
        ok ? mmap(NULL, sizeof *news->map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map == MAP_FAILED)
        error_set_errno(error, errno, ".journal/news: cannot map it");
    else
        news->map = map;
    (void)close(fd);
    return news->map != NULL;
}

/* Through the descriptor of the data directory, because the name of a socket must be short. */
static void put_address(const struct news *news, unsigned number, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/.journal/%u/news",
                   news->disk->root_fd, number);
}

static bool open_socket(struct news *news, struct error *error)
{
    struct sockaddr_un address;

    put_address(news, news->number, &address);
    (void)unlink(address.sun_path); /* of one that had our place before */
    news->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (news->socket_fd >= 0 &&
        bind(news->socket_fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    return error_set_errno(error, errno, ".journal/%u/news: cannot make the socket", news->number);
}

bool news_open(struct news *news, struct disk *disk, const struct place *place, struct error *error)
{
    *news = (struct news){.disk = disk, .number = place->number, .socket_fd = -1};
    if (map_file(news, error) && open_socket(news, error)) {
        atomic_store(&news->map->waiting[news->number], 0);
        return true;
    }
    news_close(news);
    return false;
}

void news_close(struct news *news)
{
    if (!news->disk)
        return;
    if (news->socket_fd >= 0)
        (void)close(news->socket_fd);
    if (news->map)
        (void)munmap(news->map, sizeof *news->map);
    *news = (struct news){0};
}

uint64_t news_read(const struct news *news, const char *path)
{
    return atomic_load(counter_of(news, path));
}

uint64_t news_tell(struct news *news, const char *path)
{
    return atomic_fetch_add(counter_of(news, path), 1);
}

void news_wait(struct news *news)
{
    char byte;

    while (recv(news->socket_fd, &byte, sizeof byte, 0) >= 0)
        continue;
    atomic_store(&news->map->waiting[news->number], 1);
}

static void wake(struct news *news, unsigned number)
{
    struct sockaddr_un address;

    put_address(news, number, &address);
    (void)sendto(news->socket_fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&address, sizeof address);
}

void news_wake_others(struct news *news)
{
    for (unsigned number = 1; number <= PLACES_MOST; number++) {
        _Atomic uint32_t *waiting = &news->map->waiting[number];

        if (number != news->number && atomic_load(waiting) && atomic_exchange(waiting, 0))
            wake(news, number);
    }
}
