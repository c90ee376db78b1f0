/* Time that moves only when a test says so. */

class FakeClock {
  constructor(now) {
    this.time = now || 1700000000000;
    this.timers = new Map();
    this.last = 0;
    this.now = () => this.time;
    this.setTimeout = this.setTimeout.bind(this);
    this.clearTimeout = this.clearTimeout.bind(this);
    this.setInterval = this.setInterval.bind(this);
    this.clearInterval = this.clearTimeout;
  }

  setTimeout(run, ms) {
    this.timers.set(++this.last, {run, at: this.time + Math.max(0, ms || 0)});
    return this.last;
  }

  clearTimeout(id) { this.timers.delete(id); }

  setInterval(run, every) {
    this.timers.set(++this.last, {run, every, at: this.time + every});
    return this.last;
  }

  /* Milliseconds from now at which timers are set, soonest first, without what goes on and on. */
  get due() {
    return [...this.timers.values()].filter(timer => !timer.every).map(timer => timer.at - this.time)
      .sort((a, b) => a - b);
  }

  /* A machine that sleeps, or a user who sets the clock: time jumps, and no timer sees it. */
  jump(ms) {
    this.time += ms;
    for (const timer of this.timers.values()) timer.at += ms;
  }

  /* Lets time pass, timer by timer, and what each starts run to its end. */
  async pass(ms) {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = [...this.timers].filter(([, timer]) => timer.at <= end)
        .sort((a, b) => a[1].at - b[1].at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next[1].at);
      if (next[1].every) next[1].at += next[1].every;
      else this.timers.delete(next[0]);
      next[1].run();
      await settle();
    }
    this.time = end;
  }
}

/* Everything that can happen without time passing has happened. */
async function settle() {
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
}

export {FakeClock, settle};
