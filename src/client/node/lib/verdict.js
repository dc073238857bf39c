"use strict";
// The daemon's answer as a program reads it, and why there may be none.

const { isObject, isText, isWhole, mayBeText } = require("./json.js");

/** No answer, and why. None of these says that the caller is not entitled. */
class EntitledError extends Error {
  get name() {
    return this.constructor.name;
  }
}
class Unreachable extends EntitledError {}
class Untrusted extends EntitledError {}
class Timeout extends EntitledError {}
class ProtocolError extends EntitledError {}
/** The daemon understood and declined: it is full, or busy, or does not allow it. */
class Refused extends EntitledError {
  constructor(error) {
    super(error.message);
    this.code = error.code;
    const said = error.data !== null && typeof error.data === "object" ? error.data : {};
    const text = (it) => (typeof it === "string" ? it : undefined);
    this.reason = text(said.code);
    this.detail = text(said.detail);
    this.help = text(said.help);
  }
}

/** What the caller is entitled to of one product, and why. Only handlers are given one, each the verdict of its answer. */
class Verdict {
  #answer;

  constructor(answer, said, error) {
    this.#answer = answer;
    this.product = said.product;
    this.code = said.code;
    this.detail = said.detail ?? "";
    this.tier = said.tier ?? null;
    this.features = said.features ?? {};
    this.error = error;
    this.raw = said;
    Object.freeze(this);
  }

  /** The value of a feature; `otherwise` when the caller is not entitled, or the tier does not name it. */
  feature(name, otherwise) {
    return this.#answer === "yes" && Object.hasOwn(this.features, name) ? this.features[name] : otherwise;
  }

  /** Whether the caller is entitled to a feature: its tier names it, and not as false, zero or empty. */
  has(name) {
    const value = this.feature(name, null);
    return typeof value === "object" ? value !== null : Boolean(value);
  }
}

const OTHER_PRODUCT = "the answer is about another product";
const OTHER_FEATURE = "the answer is not about the feature asked for";
const OTHER_PUBLISHER = "the answer rests on another publisher's word";

const isAbsent = (it) => it === undefined || it === null;
const mayBeTrue = (it) => it === undefined || typeof it === "boolean";
/** Members that are a text, or absent. */
const TEXTS = ["tier", "publisher", "customer", "wallet", "token", "freshness", "trust", "verified_at", "stale_after", "grace_until", "expires_at"];

/** Whether each member of a verdict is what it has to be. */
function isVerdict(said) {
  const mayBeWhole = (name, least, beyond) => isAbsent(said[name]) || isWhole(said, name, least, beyond);
  const { product, code, valid, detail = "", features = {}, provisional, anchor } = said;
  return isText(product) && isText(code) && typeof valid === "boolean"
    && isText(detail) && isObject(features) && mayBeTrue(provisional) && TEXTS.every((it) => mayBeText(said[it]))
    && mayBeWhole("rank", 0n, 2n ** 32n) && mayBeWhole("seats", 0n, 2n ** 32n)
    && mayBeWhole("seconds_until_change", -(2n ** 63n), 2n ** 63n) && (isAbsent(anchor) || isAnchor(anchor));
}

function isAnchor(it) {
  return isObject(it) && isText(it.chain) && isText(it.hash) && isWhole(it, "number", 0n, 2n ** 64n)
    && mayBeText(it.time) && mayBeText(it.finality);
}

/** `[answer, verdict]` of what the daemon said to what was asked; what is no verdict, or one about another product, throws, and
 *  so does a yes that is not about the feature and the publisher that were named. */
function read(said, { product, feature, publisher }) {
  if (!isObject(said) || !isVerdict(said)) throw new ProtocolError("a verdict has another shape than expected");
  if (said.product !== product) throw new ProtocolError(OTHER_PRODUCT);
  const answer = said.code === "UNDETERMINED" ? "notKnown" : said.valid ? "yes" : "no";
  if (answer === "yes") {
    const names = (it) => Object.hasOwn(said.features ?? {}, it) && ![false, null].includes(said.features[it]);
    if (feature !== undefined && !names(feature)) throw new ProtocolError(OTHER_FEATURE);
    if (publisher !== undefined && said.publisher !== publisher) throw new ProtocolError(OTHER_PUBLISHER);
  }
  return [answer, new Verdict(answer, said)];
}

function notKnown(product, error) {
  return ["notKnown", new Verdict("notKnown", { product, code: "", detail: error.message }, error)];
}

/** There are three answers, and a program says what it does about each: there is nothing to put into an `if`. */
function requireHandlers(handlers) {
  for (const name of ["yes", "no", "notKnown"]) {
    if (typeof handlers?.[name] !== "function") {
      throw new TypeError(`an answer may be "not known": give { yes, no, notKnown }; ${name} is no function`);
    }
  }
}

module.exports = { OTHER_PRODUCT, Verdict, EntitledError, Unreachable, Untrusted, Timeout, ProtocolError, Refused, read, notKnown, requireHandlers };
