#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[ERROR_COUNT] = {
    [ERROR_NONE] = "none",
    [ERROR_BAD_REQUEST] = "bad_request",
    [ERROR_BAD_PATH] = "bad_path",
    [ERROR_BAD_PARAMETER] = "bad_parameter",
    [ERROR_BAD_JSON] = "bad_json",
    [ERROR_BAD_OBJECTS] = "bad_objects",
    [ERROR_UNAUTHORIZED] = "unauthorized",
    [ERROR_FORBIDDEN] = "forbidden",
    [ERROR_NOT_FOUND] = "not_found",
    [ERROR_METHOD] = "method_not_allowed",
    [ERROR_SEQ_OLD] = "seq_old",
    [ERROR_TOO_LARGE] = "too_large",
    [ERROR_HEAD_TOO_LARGE] = "headers_too_large",
    [ERROR_TOO_SLOW] = "request_timeout",
    [ERROR_EXPECTATION] = "expectation_failed",
    [ERROR_TOO_OFTEN] = "too_often",
    [ERROR_QUOTA] = "quota_exceeded",
    [ERROR_NO_SPACE] = "no_space",
    [ERROR_NO_MEMORY] = "no_memory",
    [ERROR_BUSY] = "busy",
    [ERROR_IO] = "io",
    [ERROR_DAMAGED] = "damaged",
    [ERROR_TIMEOUT] = "timeout",
    [ERROR_CANCELLED] = "cancelled",
    [ERROR_CONF] = "conf",
};

const char *error_code_name(enum error_code code)
{
    const char *name = (unsigned)code < ERROR_COUNT ? code_names[code] : NULL;

    return name ? name : "unknown";
}

/* Cut to fit, but never inside a character: messages go into JSON. */
static PRINTF_LIKE(3, 0) void put_text(char *to, size_t size, const char *format, va_list args)
{
    (void)vsnprintf(to, size, format, args);
    to[utf8_trim(str_of(to)).length] = '\0';
}

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list args;

    error->code = code;
    error->errnum = 0;
    va_start(args, format);
    put_text(error->message, sizeof error->message, format, args);
    va_end(args);
    return false;
}

static enum error_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return ERROR_NO_SPACE;
    case ENOMEM:
        return ERROR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return ERROR_BUSY;
    default:
        return ERROR_IO;
    }
}

bool error_set_errno(struct error *error, int errnum, const char *format, ...)
{
    char memory[80], reason[sizeof memory + 2];
    va_list args;
    size_t length;

    /* The reason comes first, so that a long path cannot push it out. */
    (void)snprintf(reason, sizeof reason, ": %s", strerror_r(errnum, memory, sizeof memory));
    length = strlen(reason);
    va_start(args, format);
    put_text(error->message, sizeof error->message - length, format, args);
    va_end(args);
    memcpy(error->message + strlen(error->message), reason, length + 1);
    error->code = code_of_errno(errnum);
    error->errnum = errnum;
    return false;
}
