/* access_log.h - one line a request, and the figures kept of it.
 *
 * Text: PEER METHOD PATH?QUERY STATUS BYTES MICROSECONDSus ID [error: message]. Values of query
 * parameters are written only for the names that are known to be harmless, so that no token is ever
 * in a log. */
#ifndef HTTP_ACCESS_LOG_H
#define HTTP_ACCESS_LOG_H

#include "http/request.h"

/* length: bytes of the answer's body. Failures of ours (5xx) are said at warning level even if
 * requests are not logged. */
void access_log_write(struct request *request, size_t length);

#endif
