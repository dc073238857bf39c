"use strict";
// JSON that no two readers understand otherwise (RFC 7493). `JSON.parse` alone takes the last of what is said twice, makes
// Infinity of a number that is beyond all numbers, keeps half of a surrogate pair, and does not tell 1.0 from 1.

const DEPTH_MAX = 127; // of objects and lists in each other
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^ \t\r\n"{}[\],:]+/g; // of a text that is JSON
const HALF = /\p{Surrogate}/u;

const numerals = new WeakMap(); // of an object, how the numbers are written that are its members

/** Reads a value; throws where the text is none. */
function parse(text) {
  const whole = JSON.parse(text);
  const open = []; // the objects and lists around a token, and what in them it belongs to
  for (const [token] of text.matchAll(TOKEN)) {
    const inside = open.at(-1);
    if (token === "{" || token === "[") {
      const value = inside === undefined ? whole : inside.value[inside.at];
      open.push(token === "{" ? { value, names: new Set() } : { value, at: 0 });
      if (open.length > DEPTH_MAX) throw new Error("it is nested too deep");
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token === ",") {
      inside.at = inside.names === undefined ? inside.at + 1 : undefined;
    } else if (token[0] === '"') {
      const said = JSON.parse(token);
      if (HALF.test(said)) throw new Error("half of a surrogate pair is no character");
      if (inside?.names !== undefined && inside.at === undefined) {
        if (inside.names.has(said)) throw new Error("a member is said twice");
        inside.names.add(said);
        inside.at = said;
      }
    } else if (token !== ":") {
      requireNumber(token, inside);
    }
  }
  return whole;
}

/** Of a token that is no text: a number has to be one, and how it is written is kept. */
function requireNumber(token, inside) {
  if (token === "true" || token === "false" || token === "null") return;
  if (!Number.isFinite(Number(token))) throw new Error("a number is beyond all numbers");
  if (inside?.names === undefined) return;
  if (!numerals.has(inside.value)) numerals.set(inside.value, new Map());
  numerals.get(inside.value).set(inside.at, token);
}

/** How a member that is a number is written; undefined where it is none. */
const numeral = (object, name) => numerals.get(object)?.get(name);

/** Whether a member is a whole number, and written as one, from `least` to before `beyond`. */
function isWhole(object, name, least, beyond) {
  const text = numeral(object, name);
  return text !== undefined && /^(?:0|-?[1-9][0-9]*)$/.test(text) && BigInt(text) >= least && BigInt(text) < beyond;
}

const isObject = (it) => typeof it === "object" && it !== null && !Array.isArray(it);
const isText = (it) => typeof it === "string";
const mayBeText = (it) => it === undefined || it === null || isText(it);

module.exports = { parse, numeral, isWhole, isObject, isText, mayBeText };
