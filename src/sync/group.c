#include "sync/group.h"

#include "store/jump.h"

static struct commit *commit_of(struct list *node)
{
    return OWNER_OF(node, struct commit, link);
}

static const char *path_of(const struct commit *commit)
{
    return commit->batch ? commit->batch->path : commit->deletion->path;
}

static void fail_commit(struct commit *commit, const struct error *error)
{
    commit->undone = true;
    commit->error = *error;
}

/* Frames of a group, and what they mean to the disk. */
struct frames {
    struct journal_group group;
    uint64_t counters;  /* that they give out, and jump over */
    bool changes_files; /* they make or remove collections */
};

static void weigh(struct frames *frames, const struct commit *commit)
{
    const struct batch *batch = commit->batch;

    if (!batch || batch->creates)
        frames->changes_files = true;
    else
        frames->counters += batch->after.last_counter - batch->before.last_counter;
}

/* Those that have not failed yet. */
static bool put_frames(const struct group *group, struct frames *frames, struct error *error)
{
    struct buf body = {0};
    bool ok = true;

    for (struct list *node = group->commits.next; ok && node != &group->commits;
         node = node->next) {
        const struct commit *commit = commit_of(node);

        if (commit->error.code != ERROR_NONE)
            continue;
        buf_reset(&body);
        if (commit->batch)
            batch_write_frame(commit->batch, &body);
        else
            deletion_write_frame(commit->deletion, &body);
        ok = buf_ok(&body, error);
        journal_group_add(&frames->group, commit->batch ? JOURNAL_BATCH : JOURNAL_DELETION,
                          buf_str(&body));
        weigh(frames, commit);
    }
    buf_clear(&body);
    return ok && buf_ok(&frames->group.bytes, error);
}

/* Rules 1 to 3. */
static bool may_go_ahead(const struct committer *committer, const struct frames *frames)
{
    const struct journal *journal = &committer->journal;

    return committer->is_relaxed && !frames->changes_files &&
           committer->counters_ahead + frames->counters <= GROUP_COUNTERS_AHEAD &&
           journal->end - journal->synced + frames->group.bytes.length <= GROUP_BYTES_AHEAD;
}

static bool write_to_journal(struct committer *committer, struct frames *frames,
                             struct error *error)
{
    struct journal *journal = &committer->journal;

    if (!may_go_ahead(committer, frames))
        return journal_write(journal, &frames->group, error);
    if (!journal_write_ahead(journal, &frames->group, error))
        return false;
    committer->counters_ahead += frames->counters;
    return true;
}

/* Before any journal has them. */
static void prepare_jumps(struct group *group)
{
    struct error error;

    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        struct commit *commit = commit_of(node);

        if (commit->batch && commit->batch->jumps && commit->error.code == ERROR_NONE &&
            !jump_prepare(group->committer->disk, commit->batch, &error))
            fail_commit(commit, &error);
    }
}

static bool write_frames(struct group *group, struct error *error)
{
    struct frames frames = {0};
    bool ok = put_frames(group, &frames, error);

    if (ok && frames.group.bytes.length > 0) {
        group->bytes = frames.group.bytes.length;
        ok = write_to_journal(group->committer, &frames, error);
    }
    journal_group_clear(&frames.group);
    return ok;
}

static void fail_batches(struct group *group, const struct error *error)
{
    group->error = *error;
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        if (commit_of(node)->batch)
            fail_commit(commit_of(node), error);
    }
}

static void fail_deletions(struct group *group, const struct error *error)
{
    group->error = *error;
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        if (commit_of(node)->deletion)
            fail_commit(commit_of(node), error);
    }
}

/* Without room the deletions, which make some, get the reserve. */
static void write_group(struct group *group)
{
    struct committer *committer = group->committer;
    struct error error;

    if (!reserve_make(&committer->reserve, committer->disk, &error))
        fail_batches(group, &error);
    prepare_jumps(group);
    if (write_frames(group, &error))
        return;
    fail_batches(group, &error);
    if (error.code != ERROR_NO_SPACE || !reserve_give_up(&committer->reserve, committer->disk) ||
        !write_frames(group, &error))
        fail_deletions(group, &error);
}

static void put_cancel(const struct commit *commit, struct buf *body)
{
    if (commit->batch)
        journal_write_cancel(body, commit->batch->path, commit->batch->identity.id,
                             commit->batch->before.count);
    else
        journal_write_cancel(body, commit->deletion->path, commit->deletion->id,
                             JOURNAL_CANCEL_DELETION);
}

static bool write_cancel(struct committer *committer, const struct commit *commit,
                         struct error *error)
{
    struct journal_group group = {0};
    struct buf body = {0};

    put_cancel(commit, &body);
    journal_group_add(&group, JOURNAL_CANCEL, buf_str(&body));
    bool ok = buf_ok(&body, error) && journal_write(&committer->journal, &group, error);
    journal_group_clear(&group);
    buf_clear(&body);
    return ok;
}

/* On the journal thread. What could not be applied must not come back by a replay. */
static void cancel_commit(struct committer *committer, struct commit *commit)
{
    struct error error;

    if (write_cancel(committer, commit, &error))
        return;
    if (error.code != ERROR_NO_SPACE || !reserve_give_up(&committer->reserve, committer->disk) ||
        !write_cancel(committer, commit, &error))
        commit->undone = false;
}

/* Once its index is gone a deletion cannot be taken back, but done again. */
static bool delete_collection(struct committer *committer, struct commit *commit,
                              struct error *error)
{
    struct disk *disk = committer->disk;
    bool again;

    if (collection_delete(disk, commit->deletion, &commit->undone, error))
        return true;
    bool may_help = error->code == ERROR_NO_SPACE ? reserve_give_up(&committer->reserve, disk)
                                                  : !commit->undone;
    if (may_help && collection_delete(disk, commit->deletion, &again, error))
        return true;
    commit->undone = commit->undone && (!may_help || again);
    return false;
}

static bool change_files(struct committer *committer, struct commit *commit, struct error *error)
{
    if (commit->deletion)
        return delete_collection(committer, commit, error);
    return database_apply(committer->disk, commit->batch, &commit->undone, error);
}

/* While the files change a note says so to other processes. They are told before, so that nobody
 * goes by what he remembers when the first sees what has changed, and after; then the note goes.
 * What is left of a note that could not be removed is settled by the next holder. */
static bool change_held_files(struct committer *committer, struct commit *commit,
                              struct error *error)
{
    static const struct head nothing;
    struct error ignored;

    if (!hold_note(commit->hold, commit->batch ? &commit->batch->before : &nothing, error))
        return false;
    atomic_store(&commit->is_changing, true);
    commit->news = news_tell(committer->news, path_of(commit));
    bool ok = change_files(committer, commit, error);
    (void)news_tell(committer->news, path_of(commit));
    if (ok || commit->undone)
        (void)!hold_forget(commit->hold, &ignored);
    return ok;
}

/* Only what failed is an error: on the way there are failures that mean nothing. */
static void apply_commit(struct committer *committer, struct commit *commit)
{
    struct error error;

    commit->written = commit->undone = true;
    if (commit->hold ? change_held_files(committer, commit, &error)
                     : change_files(committer, commit, &error))
        return;
    commit->torn = !commit->undone;
    /* Without its index the collection is deleted; the next start removes the rest of it. */
    if (commit->torn && commit->deletion)
        return;
    cancel_commit(committer, commit);
    commit->error = error;
    if (!commit->undone)
        commit->error.code = ERROR_IO; /* a full disk would mean that nothing was stored */
}

void group_run(struct offload_job *job)
{
    struct group *group = OWNER_OF(job, struct group, job);
    struct error error;

    write_group(group);
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        struct commit *commit = commit_of(node);

        if (commit->error.code == ERROR_NONE)
            apply_commit(group->committer, commit);
    }
    /* Before somebody else takes the room that a deletion has made. */
    if (!reserve_make(&group->committer->reserve, group->committer->disk, &error))
        group->error = error;
    if (group->committer->news)
        news_wake_others(group->committer->news);
    group->journal = committer_look_at_journal(group->committer);
}
