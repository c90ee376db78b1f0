/* error.h - the one way to say that something failed, and why.
 *
 * base/ is floor 0: values and text, no waiting, no files of users. Every other room may use it.
 *
 * A function that can fail takes a `struct error *` last, fills it and returns false (or NULL).
 * The caller handles the error or passes it on; it does not log it. Answering and logging happen
 * once, on the top floors, where it is known which request or which job failed.
 *
 * A struct error owns nothing and needs no memory, so it also works when memory has run out. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#define PRINTF_LIKE(text_at, first) __attribute__((format(printf, text_at, first)))
#define MUST_CHECK                  __attribute__((warn_unused_result))

/* What kind of failure. The short name of each is part of the protocol (docs/protocol.md,
 * "Errors"); the HTTP status of each stands in one table, http/reply.c. */
enum error_code {
    ERROR_NONE = 0,
    ERROR_BAD_REQUEST,   /* the request breaks HTTP or our framing rules */
    ERROR_BAD_PATH,      /* an address that no collection can have */
    ERROR_BAD_PARAMETER, /* a query parameter */
    ERROR_BAD_JSON,      /* not JSON, not UTF-8, too deep, not an array */
    ERROR_BAD_OBJECTS,   /* objects of the array break the rules; see objects.h for which */
    ERROR_UNAUTHORIZED,  /* log in (again) */
    ERROR_FORBIDDEN,     /* known, and not allowed */
    ERROR_NOT_FOUND,
    ERROR_METHOD,    /* the address exists, the method does not */
    ERROR_SEQ_OLD,   /* a client repeats a number that it has long passed */
    ERROR_TOO_LARGE, /* a configured limit; the message names it */
    ERROR_HEAD_TOO_LARGE,
    ERROR_TOO_SLOW,    /* the client: its request did not come in time */
    ERROR_EXPECTATION, /* the client demands what is not done here */
    ERROR_TOO_OFTEN,   /* this client, or this user: wait */
    ERROR_QUOTA,       /* the user's or the collection's share is used up */
    ERROR_NO_SPACE,    /* the disk is full */
    ERROR_NO_MEMORY,
    ERROR_BUSY, /* overloaded, draining: try later */
    ERROR_IO,
    ERROR_DAMAGED,   /* a file does not add up; nobody may write to it until repaired */
    ERROR_TIMEOUT,   /* took longer than allowed */
    ERROR_CANCELLED, /* whoever asked went away */
    ERROR_CONF,      /* configuration or command line */
    ERROR_COUNT,     /* keep last */
};

struct error {
    enum error_code code;
    int errnum;        /* errno at the time; 0: none */
    char message[240]; /* what, which value, what to do; no final stop */
};

/* Fills error (not NULL); the message is cut to fit, between characters. Returns false, so that a
 * failing function ends in one line. No argument may point into error itself. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The same for a failed system call: appends ": " and the text of errnum, which is never cut.
 * ENOSPC and EDQUOT become ERROR_NO_SPACE, ENOMEM ERROR_NO_MEMORY, EMFILE and ENFILE ERROR_BUSY,
 * the rest ERROR_IO. */
bool error_set_errno(struct error *error, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);

/* The name that clients and logs see, "no_space". Never NULL. */
const char *error_code_name(enum error_code code);

#endif
