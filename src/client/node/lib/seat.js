"use strict";
// A floating seat: taken, followed on a connection of its own, and given back.

const { Connection, Deadline, defaultPath, wasUnheard } = require("./connection.js");
const { isObject, isText, isWhole, mayBeText } = require("./json.js");
const { OTHER_PRODUCT, EntitledError, ProtocolError, requireHandlers } = require("./verdict.js");

const CHANGES_MAX = 64; // that are taken up at a time: whoever asks how it stands is answered, however many are told
const AWAY_PAUSE = 1000; // before a daemon that was away is asked again by who waits, in ms
const WRONG = "what was said of a seat has another shape than expected";

/** There is no seat for the caller, or it is not known whether there is one. */
class SeatRefused extends Error {
  constructor(said) {
    super(`${said.code}: ${said.detail ?? ""}`);
    this.code = said.code;
    this.answer = said.code === "UNDETERMINED" ? "notKnown" : "no";
    this.queue = said.queue ?? 0;
    this.raw = said;
  }
  get name() {
    return "SeatRefused";
  }
}

/** Whether each member of what was said of a seat is what it has to be. */
function isSaid(it) {
  return isObject(it) && typeof it.granted === "boolean" && isText(it.code) && isText(it.detail ?? "") && it.detail !== null
    && ((it.queue ?? null) === null || isWhole(it, "queue", 0n, 2n ** 64n))
    && [it.product, it.seat, it.tier, it.ends_at].every(mayBeText);
}

const isChange = (it) => isObject(it) && isText(it.event) && mayBeText(it.reason) && isObject(it.seat) && mayBeText(it.seat.ends_at);

class Seat {
  #params;
  #path;
  #timeout;
  #connection;
  #subscription;
  #said;
  #answer = "notKnown";
  #state = Object.freeze({});
  #turn = Promise.resolve();

  /** Rejects with `SeatRefused`, or with an `EntitledError` when the daemon could not be asked. */
  static async take(params, { path, timeout, waitMs = 0 }) {
    const seat = new Seat();
    seat.#params = params;
    seat.#path = path;
    seat.#timeout = timeout;
    await seat.#take(waitMs);
    return seat;
  }

  get id() {
    return this.#said.seat;
  }

  get tier() {
    return this.#said.tier;
  }

  get raw() {
    return this.#said;
  }

  /** Whether it is still held: gives what the handler gives for how it stands after its next change, or after `waitMs`. A
   *  daemon that was restarted is asked for it again, so this is to be called from time to time. */
  async check(handlers, { waitMs = 0 } = {}) {
    requireHandlers(handlers);
    await this.#inTurn(() => this.#check(waitMs));
    return handlers[this.#answer](this.#state);
  }

  /** Gives it back; once it has ended, does nothing. Rejects with an `EntitledError` when the daemon could not be told. */
  release() {
    return this.#inTurn(() => this.#release());
  }

  async [Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose")]() {
    await this.release().catch(ignoreFailure); // it ends with the process
  }

  /** Without waiting for the daemon's answer. */
  [Symbol.dispose ?? Symbol.for("nodejs.dispose")]() {
    void this.release().catch(ignoreFailure);
  }

  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Whoever holds a seat is given the same. */
  async #take(waitMs) {
    const deadline = new Deadline(this.#timeout + waitMs);
    const connection = await Connection.open(this.#path ?? defaultPath(), deadline);
    try {
      const params = { ...this.#params, wait_ms: waitMs > 0 ? waitMs : undefined };
      const said = await connection.ask("seat_acquire", params, deadline);
      if (!isSaid(said)) throw new ProtocolError(WRONG);
      if ((said.product ?? params.product) !== params.product) throw new ProtocolError(OTHER_PRODUCT);
      if (!said.granted) throw new SeatRefused(said);
      if (!isText(said.seat) || !isText(said.tier)) throw new ProtocolError(WRONG);
      this.#said = Object.freeze(said);
      this.#stands("yes", { endsAt: said.ends_at ?? null });
      connection.isFollowed = true;
      const about = { product: this.#params.product, seat: said.seat };
      this.#subscription = await connection.ask("seat_subscribe", about, deadline).catch(async (error) => {
        this.#connection = connection; // nobody would hold it: it was granted, and its end cannot be told
        await this.#release().catch(ignoreFailure);
        throw error;
      });
    } catch (error) {
      connection.close();
      throw error;
    }
    connection.keep(false);
    this.#connection = connection;
  }

  #stands(answer, state) {
    this.#answer = answer;
    this.#state = Object.freeze(state);
  }

  async #check(waitMs) {
    if (this.#answer === "no") return;
    if (this.#connection && (await this.#hears(waitMs))) return;
    if (!this.#connection && waitMs > 0) await pause(Math.min(waitMs, AWAY_PAUSE));
    this.#hangUp();
    if (this.#answer === "no") return;
    try {
      await this.#take(0);
    } catch (error) {
      if (error instanceof SeatRefused) this.#stands(error.answer, { reason: error.code });
      else if (error instanceof EntitledError) this.#stands("notKnown", { error });
      else throw error;
    }
  }

  /** Takes up what is told, waiting for it unless something was; false when the connection is of no more use. */
  async #hears(waitMs) {
    this.#connection.keep(true);
    try {
      for (let changes = 0; changes < CHANGES_MAX; changes++) {
        const told = await this.#connection.notice(this.#subscription, changes === 0 ? waitMs : 0);
        if (told === undefined) return true;
        if (!isChange(told)) throw new ProtocolError(WRONG);
        if (told.event === "ended") {
          this.#stands("no", { reason: told.reason ?? "" });
          return false;
        }
        this.#stands("yes", { endsAt: told.seat.ends_at ?? null });
      }
      return true;
    } catch (error) {
      if (error instanceof EntitledError) return false;
      throw error;
    } finally {
      this.#connection.keep(false);
    }
  }

  async #release() {
    if (this.#answer === "no") return;
    const deadline = new Deadline(this.#timeout);
    const seat = this.id;
    this.#stands("no", { reason: "released" });
    try {
      for (let kept = this.#connection; ; kept = undefined) {
        const usable = kept?.failure === undefined ? kept : undefined;
        const connection = usable ?? (await Connection.open(this.#path ?? defaultPath(), deadline));
        this.#connection = connection;
        connection.keep(true);
        try {
          await connection.ask("seat_release", { seat }, deadline);
          return;
        } catch (error) {
          if (!usable || !wasUnheard(error)) throw error;
        }
      }
    } finally {
      this.#hangUp();
    }
  }

  #hangUp() {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

function ignoreFailure(error) {
  if (!(error instanceof EntitledError)) throw error;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

module.exports = { Seat, SeatRefused };
