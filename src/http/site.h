/* site.h - what the server itself serves: the client script, and the files of an app.
 *
 * All files are read at start (and at reload) into memory, with type and ETag, so that serving one
 * never waits for a disk and no request can name a file that was not meant: a request is looked up in a
 * table, not in the file system. Hidden files (a leading dot), links and what is no regular file
 * are left out. */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include "base/table.h"

enum {
    SITE_FILES_MOST = 4096,
    SITE_BYTES_MOST = 64 << 20,
};

struct site_file {
    struct table_node node; /* key: path from the root, "/notes.js" */
    struct buf content;
    char *path;
    const char *content_type;
    char etag[40];
};

struct site {
    struct table files;
    struct buf client;   /* syncclient.js as it is on disk */
    size_t bytes;
};

/* client_path: syncclient.js. document_root: NULL for none. Blocks; start and reload only.
 * ERROR_CONF names the file and the limit. */
MUST_CHECK bool site_open(struct site *site, const char *client_path, const char *document_root,
                          struct error *error);
void site_close(struct site *site); /* harmless twice, and on all-zero */

/* "/dir/" finds "/dir/index.html". NULL: there is none. path is percent-decoded. */
const struct site_file *site_find(const struct site *site, struct str path);

/* The client with Sync.baseUrl set to base_url (checked by the caller). */
MUST_CHECK bool site_put_client(const struct site *site, struct str base_url, struct buf *out,
                                struct error *error);

#endif
