// How long after a list the next one is due. Swarm tells nobody of a task, so while tasks are under way they are
// looked at more often, as a replica is that has not answered yet: late by an eighth of the time that it takes anyway. What
// never comes to rest (a crash loop) is soon looked at as seldom as all else, and no manager is asked for long lists all the time.

const SELDOM_MS = 500;
const OFTEN_MS = 100;
const SHARE = 1 / 8;
/** Of the time between lists, while tasks are under way: what reading one may take. */
const BUSY_SHARE = 1 / 4;
/** Who was told something needs a moment before anything of it shows. */
const UNSEEN_MS = 1_000;
/** Nothing has been under way for so long: what comes then is something new. */
const REST_MS = 10_000;

export class Polling {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #changedMs = Number.NEGATIVE_INFINITY;
  everyMs = SELDOM_MS;

  /** Somebody has changed the service: tasks will follow. */
  changed(nowMs: number): void {
    this.#changedMs = nowMs;
  }

  /** After a list, which took so long. */
  listed(isUnderWay: boolean, nowMs: number, tookMs: number): void {
    if (!isUnderWay && nowMs - this.#changedMs >= UNSEEN_MS) {
      this.everyMs = SELDOM_MS;
      return;
    }
    if (nowMs - this.#lastMs >= REST_MS) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
    const shareMs = Math.max((nowMs - this.#sinceMs) * SHARE, tookMs / BUSY_SHARE, OFTEN_MS);
    this.everyMs = Math.min(SELDOM_MS, shareMs);
  }
}
