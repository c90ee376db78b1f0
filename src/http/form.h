/* form.h - the fields of a POST, as a form has them or as members of a JSON object. */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include "http/request.h"

struct form_field {
    const char *name; /* a list ends with NULL */
    struct buf *value;
    bool may_lack; /* else it has to be there, and not be empty */
};

/* Reads the fields of the list, which are empty before, and leaves others out. All of the body is
 * there (body_await_all). ERROR_BAD_REQUEST, ERROR_BAD_JSON. */
MUST_CHECK bool form_read(const struct request *request, const struct form_field *fields,
                          struct error *error);

#endif
