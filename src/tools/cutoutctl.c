/* cutoutctl - checks, mends and shows the data of cutoutd, without it; and its tokens. */
#include "store/losses.h"
#include "store/repair.h"
#include "store/walk.h"
#include "tools/command.h"
#include "tools/report.h"
#include "tools/show.h"
#include "tools/token_tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_SOUND = 0, STATUS_DAMAGED = 1, STATUS_FAILED = 2 };

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "cutoutctl: %s\n", error->message);
    return error->code == ERROR_DAMAGED ? STATUS_DAMAGED : STATUS_FAILED;
}

/* --- check ----------------------------------------------------------------------------------- */

static int judge(const struct report *report)
{
    if (report->check.unreadable > 0 || report->failed)
        return STATUS_FAILED;
    return report->check.findings > 0 ? STATUS_DAMAGED : STATUS_SOUND;
}

static int run_check(const struct command *command, struct disk *disk)
{
    struct report report;
    struct error error;

    report_begin(&report, disk, command->json);
    bool ok = command->path[0] ? check_collection(&report.check, command->path, &error)
                               : check_all(&report.check, &error);
    if (ok && command->path[0] && !report.check.was_there && report.check.findings == 0)
        ok = error_set(&error, ERROR_NOT_FOUND, "%s: there is no collection", command->path);
    if (!ok)
        return fail(&error);
    report_end(&report);
    return judge(&report);
}

/* --- repair ---------------------------------------------------------------------------------- */

static void say(void *context, const char *line)
{
    struct buf text = {0};

    (void)context;
    report_put_name(&text, line);
    buf_append_byte(&text, '\n');
    (void)!report_print(&text); /* what is printed is flushed at the end, and the status tells */
    buf_clear(&text);
}

/* What is left, and may be none of ours. */
static int check_again(const struct command *command, struct disk *disk)
{
    struct report report;
    struct error error;

    report_begin(&report, disk, false);
    return check_collection(&report.check, command->path, &error) ? judge(&report) : fail(&error);
}

static int run_repair(const struct command *command, struct disk *disk)
{
    struct repair repair = {.disk = disk, .path = command->path, .say = say};
    struct error error;

    if (!repair_collection(&repair, &error))
        return fail(&error);
    if (repair.was_sound)
        say(NULL, "it is sound: nothing was done");
    else if (repair.kept > 0)
        (void)printf("%" PRIu64 " records are there, %" PRIu64 " are lost\n", repair.kept,
                     repair.lost);
    return check_again(command, disk);
}

/* --- dump and stat --------------------------------------------------------------------------- */

static int run_dump(const struct command *command, struct disk *disk)
{
    struct error error;
    bool ok = command->index ? show_index(disk, command->path, &error)
                             : show_records(disk, command->path, &error);

    return ok ? STATUS_SOUND : fail(&error);
}

struct stat_walk {
    const struct command *command;
    struct disk *disk;
    int status;
};

/* One that is damaged does not keep the others from being shown. */
static bool stat_next(void *context, const char *path, struct error *error)
{
    struct stat_walk *walk = context;
    struct error cause;

    (void)error;
    if (!show_stat(walk->disk, path, walk->command->json, &cause) &&
        cause.code != ERROR_NOT_FOUND) {
        int status = fail(&cause);

        walk->status = status > walk->status ? status : walk->status;
    }
    return true;
}

static bool stat_unreadable(void *context, const char *path, struct error *error)
{
    struct stat_walk *walk = context;

    (void)path;
    (void)fail(error);
    walk->status = STATUS_FAILED;
    return true;
}

static int run_stat(const struct command *command, struct disk *disk)
{
    struct stat_walk all = {.command = command, .disk = disk};
    const struct walk walk = {.disk = disk,
                              .on_collection = stat_next,
                              .on_unreadable = stat_unreadable,
                              .context = &all};
    struct error error;

    if (!command->path[0])
        return walk_run(&walk, &error) ? all.status : fail(&error);
    return show_stat(disk, command->path, command->json, &error) ? STATUS_SOUND : fail(&error);
}

/* --- All of it ------------------------------------------------------------------------------- */

/* For repair with the lock; but a directory that is not there is not made. */
static bool open_disk(const struct command *command, struct disk *disk, struct error *error)
{
    struct disk look;

    if (command->action != COMMAND_REPAIR)
        return disk_open_to_read(disk, command->data_dir, error) && losses_read(disk, error);
    if (!disk_open_to_read(&look, command->data_dir, error))
        return false;
    disk_close(&look);
    return disk_open(disk, command->data_dir, error) && losses_read(disk, error);
}

static int run(const struct command *command)
{
    static int (*const runs[])(const struct command *command, struct disk *disk) = {
        [COMMAND_CHECK] = run_check,
        [COMMAND_REPAIR] = run_repair,
        [COMMAND_DUMP] = run_dump,
        [COMMAND_STAT] = run_stat,
    };
    struct error error;
    struct disk disk;

    if (!open_disk(command, &disk, &error)) {
        (void)fail(&error);
        return STATUS_FAILED;
    }
    int status = runs[command->action](command, &disk);
    disk_close(&disk);
    return status;
}

/* What could not be printed was not done. */
static int flush(int status)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? status : STATUS_FAILED;
}

int main(int argc, char **argv)
{
    struct command command;
    struct error error;

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "token") == 0)
        return flush(token_tool_run(argc - 1, argv + 1));
    if (!command_parse(&command, argc, argv, &error)) {
        (void)fprintf(stderr, "cutoutctl: %s\n\n%s", error.message, command_usage);
        return STATUS_FAILED;
    }
    if (command.action == COMMAND_HELP)
        return flush(fputs(command_usage, stdout) == EOF ? STATUS_FAILED : STATUS_SOUND);
    if (command.action == COMMAND_VERSION)
        return flush(puts("cutoutctl " CUTOUT_VERSION) == EOF ? STATUS_FAILED : STATUS_SOUND);
    return flush(run(&command));
}
