/* metrics.h - what the admin listener shows as Prometheus text (exposition format 0.0.4), from one
 * table: name, kind, help, where the figure is. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/request.h"

/* Counts a finished request into request->http->stats. */
void metrics_note_request(const struct request *request, size_t bytes_out, uint64_t duration_us);

/* Appends the text. http is the public face. */
void metrics_print(const struct http *http, struct buf *out);

#endif
