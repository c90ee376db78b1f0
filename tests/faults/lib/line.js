/* What is known of one collection, between two deletions, from all events of a history together. */
'use strict';

/* First index whose item is above, in a list that `test` divides into no's and then yeses. */
function firstIndex(list, test) {
    let low = 0, high = list.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (test(list[middle])) high = middle; else low = middle + 1;
    }
    return low;
}

class Line {
    known = new Map(); /* counter -> { text, object, sender, by: the first event to tell of it } */
    shown = [];        /* events that were answered of this collection */
    told = new Map();  /* client -> [{ seq, event }]: its last seq, as it was told */
    counters = [];     /* of known, in order */
    highest = [];      /* { tick, counter }: from then on everybody has to know of this one */

    constructor(bucket, id) {
        Object.assign(this, { bucket, id });
    }

    /* Returns what is wrong with it, or undefined. */
    note(counter, object, text, event, sender) {
        const before = this.known.get(counter);
        if (before === undefined) {
            this.known.set(counter, { text, object, sender, by: event });
        } else if (before.text !== text) {
            return { what: `${counter}: ${text}, but ${before.text} before`, by: before.by };
        } else if (event.completed < before.by.completed) {
            before.by = event;
        }
        return undefined;
    }

    noteTold(client, seq, event) {
        if (!this.told.has(client)) this.told.set(client, []);
        this.told.get(client).push({ seq, event });
    }

    /* When all has been noted. */
    settle() {
        this.counters = [...this.known.keys()].sort((a, b) => a - b);
        let highest = 0;
        for (const [counter, { by }] of [...this.known].sort(([, a], [, b]) => a.by.completed - b.by.completed)) {
            if (counter <= highest) continue;
            highest = counter;
            this.highest.push({ tick: by.completed, counter });
        }
        this.shown.sort((a, b) => a.completed - b.completed);
    }

    /* Counters in (after, end]. */
    between(after, end) {
        return this.counters.slice(firstIndex(this.counters, (counter) => counter > after),
            firstIndex(this.counters, (counter) => counter > end));
    }

    /* The highest counter that was known to someone before this tick. */
    highestBefore(tick) {
        const end = firstIndex(this.highest, (item) => item.tick >= tick);
        return end === 0 ? 0 : this.highest[end - 1].counter;
    }

    /* Who was the first to be told that it is there. */
    get firstShown() {
        return this.shown[0];
    }
}

module.exports = { Line };
