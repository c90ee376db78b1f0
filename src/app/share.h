/* share.h - what a server does that shares its data directory with others (cutoutd -n N).
 *
 * It takes a place for its journal, hears from the others what they wrote, and from time to time
 * looks whether one of them died and left something (store/heir.h).
 *
 *     share_open -> share_listen -> (serving) -> share_stop -> share_close
 *
 * For a server that is alone all of these do nothing. */
#ifndef APP_SHARE_H
#define APP_SHARE_H

#include "loop/offload.h"
#include "loop/pause.h"
#include "loop/ready.h"
#include "store/news.h"
#include "sync/stream.h"

struct share {
    struct disk *disk;
    struct streams *streams;
    struct offload *helpers;
    struct place place;
    struct news news;
    struct ready ready;

    struct task task; /* looks for what others left */
    struct pause pause;
    struct offload_job job;
    struct operation work;
    bool job_is_running;
    unsigned settled; /* by the last look */
    struct error error;
    enum error_code said_error; /* the log need not repeat it */
};

/* Takes the place and opens the news, if disk is shared. Replay has been done, or is being left to
 * whoever came first. */
MUST_CHECK bool share_open(struct share *share, struct disk *disk, struct error *error);

/* NULL for a server that is alone. */
struct news *share_news(struct share *share);

/* From now on streams hear the news, and the dead are looked after. */
MUST_CHECK bool share_listen(struct share *share, struct loop *loop, struct streams *streams,
                             struct offload *helpers, struct error *error);

/* No more looking; what the helpers are at is still finished by them. Harmless on all-zero. */
void share_stop(struct share *share);

/* The journal is closed. Harmless twice, and on all-zero. */
void share_close(struct share *share);

#endif
