#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool complain(const char *name, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", name, what);
    return false;
}

static bool read_all(struct trace *trace, FILE *file)
{
    struct stat info;

    if (fstat(fileno(file), &info) < 0 || info.st_size <= 0)
        return false;
    trace->length = (size_t)info.st_size;
    trace->bytes = malloc(trace->length);
    return trace->bytes && fread(trace->bytes, 1, trace->length, file) == trace->length;
}

static bool find_records(struct trace *trace)
{
    struct trace_record record;

    trace->records = calloc(trace->length / sizeof record + 1, sizeof *trace->records);
    if (!trace->records)
        return false;
    for (size_t at = 0; at < trace->length; at += record.size) {
        if (trace->length - at < sizeof record)
            return false;
        memcpy(&record, trace->bytes + at, sizeof record);
        if (record.size < sizeof record || record.size > trace->length - at)
            return false;
        trace->records[trace->count++] = at;
    }
    return true;
}

bool trace_open(struct trace *trace, const char *name)
{
    FILE *file = fopen(name, "re");

    *trace = (struct trace){0};
    if (!file)
        return complain(name, "cannot open it");
    bool ok = read_all(trace, file);
    (void)fclose(file);
    if (!ok)
        return complain(name, "cannot read it");
    return find_records(trace) || complain(name, "a record is cut off");
}

void trace_close(struct trace *trace)
{
    free(trace->bytes);
    free(trace->records);
    *trace = (struct trace){0};
}

struct trace_record trace_get(const struct trace *trace, size_t i, const char **bytes,
                              size_t *length)
{
    struct trace_record record;

    memcpy(&record, trace->bytes + trace->records[i], sizeof record);
    *bytes = trace->bytes + trace->records[i] + sizeof record;
    *length = record.size - sizeof record;
    return record;
}
