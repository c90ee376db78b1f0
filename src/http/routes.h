/* routes.h - THE table of what can be asked. Reading it is reading the interface. */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/request.h"

enum route_pattern {
    ROUTE_EXACT,      /* the path itself */
    ROUTE_COLLECTION, /* /domain/user/bucket... */
    ROUTE_USER,       /* /domain/user/ */
    ROUTE_BLOB,       /* /domain/user/bucket.../+static/NAME */
    ROUTE_BLOBS,      /* /domain/user/bucket.../+static/ */
    ROUTE_ANY,        /* what nothing before it matched: files of the document root */
};

struct route {
    unsigned methods; /* enum method; 0 ends the table */
    enum route_pattern pattern;
    const char *path; /* ROUTE_EXACT */
    bool deletes;     /* with ?delete in the query */
    enum cors_rule cors;
    struct task_kind kind;
};

extern const struct route routes_public[];
extern const struct route routes_admin[];

/* The row for a request, filling in request->address for patterns that have one. NULL with error:
 * ERROR_NOT_FOUND, ERROR_METHOD (*allowed then has the methods that exist here), ERROR_BAD_PATH. */
const struct route *routes_find(const struct route *table, struct request *request,
                                unsigned *allowed, struct error *error);

/* The methods as the Allow header has them. */
const char *routes_method_names(unsigned methods);

/* Steps of the tables, in sync_steps.c, blob_steps.c, auth_steps.c, mail_steps.c, site_steps.c,
 * admin_steps.c. */
extern const struct step_entry read_steps[], append_steps[], delete_steps[], list_steps[];
extern const struct step_entry blob_steps[], blob_link_steps[], upload_steps[];
extern const struct step_entry verify_steps[], logout_steps[], logout_everywhere_steps[];
extern const struct step_entry mail_code_steps[], mail_page_steps[];
extern const struct step_entry client_script_steps[], info_steps[], file_steps[];
extern const struct step_entry health_steps[], ready_steps[], metrics_steps[], status_steps[],
    drain_steps[];

#endif
