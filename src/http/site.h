/* site.h - what the server itself serves: the client script, and the files of an app.
 *
 * All files are read at start (and at reload) into memory, with type and ETag, so that serving one
 * never waits for a disk and no request can name a file that was not meant: a request is looked up
 * in a table, not in the file system. Hidden files (a leading dot), links and what is no regular
 * file are left out.
 *
 *     site_open -> site_find, site_find_client -> site_close
 *
 * Invariants:
 *  1. Only what lay below document_root when it was read can be found.
 *  2. Content that somebody holds stays as it is until it is released, also when the site is
 * closed: a reply under way may be slower than a reload. */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include "base/buf.h"
#include "base/table.h"

enum {
    SITE_FILES_MOST = 4096,
    SITE_BYTES_MOST = 64 << 20,
    SITE_ETAG_SIZE = 40,
};

/* Bytes that go out as they are. */
struct site_content {
    struct buf bytes;
    char etag[SITE_ETAG_SIZE]; /* with quotes; strong: it is made from the bytes */
    unsigned holders;
};

struct site_file {
    struct table_node node; /* key: path from the root, "/notes.js" */
    struct site_file *next;
    struct site_content *content;
    char *path;
    const char *content_type;
};

/* Movable: nothing in it points to it. */
struct site {
    struct table files;
    struct site_file *first;
    size_t bytes;
    struct buf csp;                      /* Content-Security-Policy of the files */
    struct buf client;                   /* syncclient.js as it is on disk; empty: there is none */
    struct buf client_base;              /* the last base URL that was asked for, */
    struct site_content *client_content; /* and the client with it; NULL: none yet */
};

/* Nothing of it is kept. */
struct site_settings {
    const char *client_path;     /* syncclient.js; NULL: none is served */
    const char *document_root;   /* NULL: no files are served */
    const char *public_url;      /* where else than on their own origin pages may find the server;
                                    NULL: nowhere */
    const char *const *connects; /* origins of others that pages may talk to */
    size_t connect_count;
};

/* Blocks; start and reload only. Errors name the file, and the limit that it exceeds. */
MUST_CHECK bool site_open(struct site *site, const struct site_settings *settings,
                          struct error *error);
void site_close(struct site *site); /* harmless twice, and on all-zero */

/* "/dir/" finds "/dir/index.html". NULL: there is none. path is percent-decoded. */
const struct site_file *site_find(const struct site *site, struct str path);

/* The client with Sync.baseUrl set to base_url (checked by the caller); made anew only when another
 * base_url is asked for than the last time. Valid until the next call unless held. NULL with
 * error: ERROR_NOT_FOUND if there is no client. */
struct site_content *site_find_client(struct site *site, struct str base_url, struct error *error);

/* Returns content. Each hold wants a release; NULL is fine there. */
struct site_content *site_hold(struct site_content *content);
void site_release(struct site_content *content);

#endif
