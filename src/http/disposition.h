/* disposition.h - how a browser is told to take a file that somebody else may have put there: as
 * what, and whether to show it or to keep it. */
#ifndef HTTP_DISPOSITION_H
#define HTTP_DISPOSITION_H

#include "base/buf.h"

/* The type to be sent: the stored one, if it is of a kind that no browser runs, or else
 * application/octet-stream. Points into text or to a constant. */
const char *disposition_type(const char *text);

/* Appends a Content-Disposition line, or nothing: to be kept is what has a filename (RFC 6266;
 * empty: none), and all that is no picture (SVG is a page), sound or film. */
void disposition_put(const char *type, struct str filename, struct buf *out);

#endif
