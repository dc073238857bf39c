"use strict";

const { Connection, Deadline, defaultPath, wasUnheard } = require("./connection.js");
const { Seat } = require("./seat.js");
const { EntitledError, read, notKnown, requireHandlers } = require("./verdict.js");

const TIMEOUT_MS = 5000;
const ATTEMPTS_MAX = 3; // of asking what nobody heard
const LISTEN_MS = 100; // to why a daemon closed a connection before it took a question

/** Asks the daemon. Its connection mends itself when the daemon was restarted; a question is heard by one daemon only. */
class Client {
  #path;
  #timeout;
  #kept; // the connection that nothing went wrong on
  #turn = Promise.resolve(); // the question before

  constructor({ path, timeout = TIMEOUT_MS } = {}) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /** What the caller is entitled to of `product`: gives what the handler for the answer gives. When there is no answer,
   *  `notKnown` is called, and the `error` of its verdict says why. */
  async check(product, handlers, { feature, publisher, waitMs } = {}) {
    requireHandlers(handlers);
    if (typeof product !== "string") throw new TypeError("a product is named by a string");
    let answer, verdict;
    try {
      const said = await this.call("entitlement_check", { product, feature, publisher, wait_ms: waitMs });
      [answer, verdict] = read(said, { product, feature, publisher });
    } catch (error) {
      if (!(error instanceof EntitledError)) throw error;
      [answer, verdict] = notKnown(product, error);
    }
    return handlers[answer](verdict);
  }

  /** Asks any method, and gives its result. Rejects with an `EntitledError` when there is none. */
  call(method, params) {
    const deadline = new Deadline(this.#timeout);
    const answered = this.#turn.then(() => this.#ask(method, params, deadline));
    this.#turn = answered.catch(() => {});
    return answered;
  }

  async #ask(method, params, deadline) {
    for (let attempt = 1, mustListen = false; ; attempt++) {
      deadline.left();
      let connection = this.#kept;
      this.#kept = undefined;
      const isFresh = !connection?.isQuiet;
      if (isFresh) {
        connection?.close();
        connection = await Connection.open(this.#path ?? defaultPath(), deadline);
      }
      try {
        connection.keep(true);
        // Node drops what can still be read when it cannot write. So the next one is asked once it had time to refuse.
        if (mustListen) await connection.listen(LISTEN_MS);
        return await connection.ask(method, params, deadline);
      } catch (error) {
        if (!wasUnheard(error) || attempt === ATTEMPTS_MAX) throw error;
        mustListen = isFresh;
      } finally {
        connection.keep(false);
        if (connection.failure === undefined) this.#kept = connection;
      }
    }
  }

  /** Follows the verdict about `product`: an async iterator over what the handlers give, for the present verdict and then
   *  for each change. It does not end by itself: when the daemon goes away `notKnown` is called, and then the handler for
   *  the present verdict of the next daemon. Leaving the loop, or `return()`, ends it. */
  watch(product, handlers) {
    requireHandlers(handlers);
    if (typeof product !== "string") throw new TypeError("a product is named by a string");
    return new Watch(product, handlers, this.#path, this.#timeout);
  }

  /** Takes a floating seat, and waits for one in the queue for `waitMs` at most. Rejects with `SeatRefused` when there is
   *  none, and with an `EntitledError` when the daemon could not be asked. */
  async seat(product, { tier, feature, waitMs } = {}) {
    if (typeof product !== "string") throw new TypeError("a product is named by a string");
    return Seat.take({ product, tier, feature }, { path: this.#path, timeout: this.#timeout, waitMs });
  }

  /** Hangs up. The client can still be used; it connects again. */
  close() {
    this.#kept?.close();
    this.#kept = undefined;
  }
}

class Watch {
  #product;
  #handlers;
  #path;
  #timeout;
  #connection;
  #subscription;
  #pause = 0;
  #failure; // the kind of failure that was told last
  #isClosed = false;
  #wake = () => {};
  #turn = Promise.resolve();

  constructor(product, handlers, path, timeout) {
    this.#product = product;
    this.#handlers = handlers;
    this.#path = path;
    this.#timeout = timeout;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    const told = this.#turn.then(() => this.#next());
    this.#turn = told.catch(() => {});
    return told;
  }

  async return(value) {
    this.#isClosed = true;
    this.#connection?.close();
    this.#wake();
    return { done: true, value };
  }

  async #next() {
    while (!this.#isClosed) {
      await this.#sleep();
      const told = await this.#told().then((said) => read(said, { product: this.#product })).catch((error) => this.#failed(error));
      if (told && !this.#isClosed) return { done: false, value: await this.#handlers[told[0]](told[1]) };
    }
    return { done: true, value: undefined };
  }

  /** What is to be told of a failure: nothing when the last was of the same kind. */
  #failed(error) {
    this.#connection?.close();
    this.#connection = undefined;
    if (!(error instanceof EntitledError)) throw error;
    this.#pause = Math.min(Math.max(2 * this.#pause, 50), 5000);
    const last = this.#failure;
    this.#failure = error.name;
    return last === error.name ? undefined : notKnown(this.#product, error);
  }

  async #told() {
    if (!this.#connection) {
      const deadline = new Deadline(this.#timeout);
      const connection = await Connection.open(this.#path ?? defaultPath(), deadline);
      this.#connection = connection;
      connection.isFollowed = true;
      if (this.#isClosed) connection.close();
      this.#subscription = await connection.ask("entitlement_subscribe", { product: this.#product }, deadline);
    }
    const told = await this.#connection.notice(this.#subscription);
    this.#pause = 0;
    this.#failure = undefined;
    return told;
  }

  #sleep() {
    if (this.#pause === 0 || this.#connection) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

module.exports = { Client };
