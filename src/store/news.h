/* news.h - what one of several servers on a data directory has written, for the others to know.
 *
 * The file ".journal/news" is mapped by all of them: a counter for each of 65,536 sets of
 * collections, which whoever has written to one of a set adds to. So a server knows by one look at
 * memory whether what it remembers of a collection still holds. Nothing in the file has to survive
 * anything: only that a counter changes while a server runs is of interest.
 *
 * A server with requests that wait says so in the file, too, and is then sent an empty datagram at
 * its socket, ".journal/N/news", when something is written: once, until it says so again.
 *
 *     news_open -> (news_read, news_tell, news_wait, news_wake_others) -> news_close
 *
 * news_tell and news_wake_others may be called on any thread. */
#ifndef STORE_NEWS_H
#define STORE_NEWS_H

#include "store/place.h"

struct news_map;

struct news {
    struct disk *disk;
    struct news_map *map; /* NULL: not open */
    unsigned number;      /* our place */
    int socket_fd;        /* readable when there may be news; -1: none */
};

MUST_CHECK bool news_open(struct news *news, struct disk *disk, const struct place *place,
                          struct error *error);
void news_close(struct news *news); /* harmless twice, and on all-zero */

/* The counter of the set that a collection is in. Equal to an earlier answer: nobody has written to
 * it in between. To be read before the collection is. */
uint64_t news_read(const struct news *news, const char *path);

/* A collection was written; gives the counter as it was before. */
uint64_t news_tell(struct news *news, const char *path);

/* We want to be woken by the next news of anybody. What was told before this call may have gone
 * unnoticed: look again after it. Takes what has come from the socket. */
void news_wait(struct news *news);

/* Sends the datagrams. Without waiting; one that cannot be sent is for a server that is gone, or
 * that has not looked at the last one yet. */
void news_wake_others(struct news *news);

#endif
