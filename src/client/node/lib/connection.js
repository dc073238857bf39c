"use strict";
// One connection: where the socket is, who owns it, one question at a time, and notices between.

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { isObject, isText, isWhole, mayBeText, numeral, parse } = require("./json.js");
const { ProtocolError, Refused, Timeout, Unreachable, Untrusted } = require("./verdict.js");

const LINE_MAX = 1024 * 1024; // the longest answer accepted, in bytes
const NOTICES_MAX = 64; // that may arrive before the answer to the subscription they belong to
const QUEUE_FULL_PAUSE = 5; // before a daemon whose queue of new connections is full is tried again, in ms

const AT_SECURE = 23; // in the auxiliary vector: getauxval(3)

/** Whether the kernel started this program with no rights that its caller has not. What it does not say it does not say so
 *  of: a program that may not look has, or has given up, such rights. */
function isPlain() {
  try {
    const auxv = fs.readFileSync("/proc/self/auxv");
    const isShort = ["arm", "ia32", "mips", "mipsel", "ppc", "s390"].includes(process.arch);
    const words = isShort ? new Uint32Array(Uint8Array.from(auxv).buffer) : new BigUint64Array(Uint8Array.from(auxv).buffer);
    for (let at = 0; at + 1 < words.length; at += 2) {
      if (Number(words[at]) === AT_SECURE) return Number(words[at + 1]) === 0;
    }
  } catch {
    // As if it had said nothing.
  }
  return false;
}

const startedPlain = isPlain(); // before anybody gives up or takes on rights, after which it may not be asked

/** `$ENTITLED_SOCKET` (a path, or `unix://` and a path); else the machine's socket, if it is there; else the user's, in a
 *  directory of the user's alone. Where the process has, or had, rights that its caller has not, the machine's alone. */
function defaultPath() {
  const system = "/run/entitled/entitled.sock";
  const isOneUser = process.getuid() === process.geteuid() && process.getgid() === process.getegid();
  if (!startedPlain || !isOneUser) return system;
  const { ENTITLED_SOCKET: named, XDG_RUNTIME_DIR: runtime = "" } = process.env;
  if (named) return named;
  if (fs.existsSync(system)) return system;
  const own = path.join(runtime, "entitled/entitled.sock");
  if (path.isAbsolute(runtime) && isPrivate(runtime) && fs.existsSync(own)) return own;
  const shared = `/tmp/entitled-${process.geteuid()}`;
  return isPrivate(shared) && fs.existsSync(`${shared}/entitled.sock`) ? `${shared}/entitled.sock` : system;
}

/** Whether nobody else can have put anything into a directory. */
function isPrivate(directory) {
  const it = fs.lstatSync(directory, { throwIfNoEntry: false });
  return it !== undefined && it.isDirectory() && it.uid === process.geteuid() && (it.mode & 0o077) === 0;
}

/** Node does not show who listens (SO_PEERCRED), so this looks whose the socket's file is: whoever put it there listens,
 *  or let listen. Gives the path to connect to, with no link in it, at which nobody else can put another one meanwhile: no
 *  directory on the way is a stranger's, or can be written by all. */
function verified(file) {
  const real = fs.realpathSync(file);
  const directory = path.dirname(real);
  const trusted = [0, process.geteuid(), fs.statSync(directory).uid];
  const owner = fs.lstatSync(real).uid;
  if (!trusted.includes(owner)) {
    throw new Untrusted(`${file} is owned by uid ${owner}, who is neither root, nor you, nor its directory's owner`);
  }
  for (let at = directory; ; at = path.dirname(at)) {
    const { uid, mode } = fs.lstatSync(at);
    // In a directory with the sticky bit each may exchange what is its own, and nothing else.
    const isOpen = (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
    if (isOpen || !trusted.includes(uid)) throw new Untrusted(`${file} could be exchanged for another: by others, in ${at}`);
    if (at === path.dirname(at)) return real;
  }
}

class Connection {
  #socket;
  #received = [];
  #length = 0;
  #lastId = 0;
  #question; // { id, resolve, reject } while one is open
  #notices = [];
  #listener; // who waits for a notice
  isFollowed = false; // whether notices are read as they come
  failure; // why it is of no more use

  /** Opens a connection before `deadline`, and makes sure whose it is. */
  static async open(named, deadline) {
    const file = named.startsWith("unix://") ? named.slice("unix://".length) : named;
    const lost = (it) => new Unreachable(`the daemon cannot be reached at ${file}: ${it.message}`, { cause: it });
    for (;;) {
      try {
        return new Connection(await connected(verified(file), deadline), lost);
      } catch (it) {
        if (it instanceof Timeout || it instanceof Untrusted) throw it;
        if (it.code !== "EAGAIN") throw lost(it);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(QUEUE_FULL_PAUSE, deadline.left())));
    }
  }

  constructor(socket, lost) {
    this.#socket = socket;
    socket.on("data", (it) => this.#take(it));
    socket.on("error", (it) => this.#fail(lost(it)));
    socket.on("close", () => this.#fail(lost(new Error("it closed the connection"))));
  }

  /** Whether it can be asked: still there, and nothing unasked for has arrived on it. */
  get isQuiet() {
    return this.failure === undefined && this.#length === 0 && this.#question === undefined;
  }

  /** A connection that is idle does not keep the program running. */
  keep(isBusy) {
    isBusy ? this.#socket.ref() : this.#socket.unref();
  }

  close() {
    this.#fail(new Unreachable("the connection was closed here"));
  }

  /** The result of a question. */
  ask(method, params, deadline) {
    const id = ++this.#lastId;
    const line = JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n";
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => this.#fail(deadline.missed()), deadline.left());
      const settle = (then) => (it) => {
        clearTimeout(limit);
        this.#question = undefined;
        then(it);
      };
      this.#question = { id, resolve: settle(resolve), reject: settle(reject) };
      this.#take(Buffer.of()); // what a daemon said that has no place for us
      if (this.failure) this.#question?.reject(this.failure);
      else this.#socket.write(line);
    });
  }

  /** Waits a moment for what the daemon says unasked. */
  listen(milliseconds) {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, milliseconds);
      this.#socket.once("close", () => {
        clearTimeout(limit);
        resolve();
      });
    });
  }

  /** What the next notice of a subscription tells; it waits as long as it takes, or until the limit, and gives nothing then. */
  notice(subscription, limit) {
    this.#socket.resume();
    return new Promise((resolve, reject) => {
      const settle = (then, it) => {
        clearTimeout(timer);
        this.#listener = undefined;
        then(it);
      };
      const timer = limit === undefined ? undefined : setTimeout(() => settle(resolve), limit);
      this.#listener = () => {
        const at = this.#notices.findIndex((it) => it.subscription === subscription);
        if (at >= 0) settle(resolve, this.#notices.splice(0, at + 1)[at].result);
        else if (this.failure) settle(reject, this.failure);
      };
      this.#listener();
    });
  }

  #take(bytes) {
    this.#received.push(bytes);
    this.#length += bytes.length;
    try {
      if (bytes.length === 0 || bytes.includes(10)) this.#lines();
      if (this.#length > LINE_MAX) throw new ProtocolError("an answer is longer than 1 MiB");
    } catch (it) {
      this.#fail(it instanceof Refused ? it : new ProtocolError(it.message, { cause: it }));
    }
  }

  #lines() {
    const all = Buffer.concat(this.#received);
    let begin = 0;
    for (let end; (end = all.indexOf(10, begin)) >= 0; begin = end + 1) {
      // What comes when nothing was asked belongs to nobody; it stays, and says that the connection is not quiet.
      if (!this.#question && !this.isFollowed) break;
      if (end - begin > LINE_MAX) throw new ProtocolError("an answer is longer than 1 MiB");
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(all.subarray(begin, end));
      if (!/^[ \t\r]*$/.test(text)) this.#hear(parse(text));
    }
    this.#received = [all.subarray(begin)];
    this.#length = all.length - begin;
  }

  #hear(message) {
    if (!isObject(message) || !mayBeText(message.method)) throw new Error("this is not JSON-RPC");
    const { id = null, result, error = null, method, params } = message;
    if (result === undefined && error === null && isText(method)) {
      if (method !== "entitlement_changed" && method !== "seat_changed") return;
      const isNotice = isObject(params) && params.subscription !== undefined && params.result !== undefined;
      if (!isNotice || (this.#question && this.#notices.length === NOTICES_MAX)) {
        throw new Error("a notice has another shape than expected, or there are too many");
      }
      // Who is slow is told later; the daemon drops who is too slow.
      if (this.#notices.push(params) >= NOTICES_MAX) this.#socket.pause();
      this.#listener?.();
      return;
    }
    if ((result === undefined) === (error === null)) throw new Error("this is neither an answer nor a notice");
    if (error !== null && !(isWhole(error, "code", -(2n ** 63n), 2n ** 63n) && isText(error.message))) {
      throw new Error("a refusal has another shape than expected");
    }
    const question = this.#question;
    if (question && numeral(message, "id") === String(question.id)) {
      if (error === null) question.resolve(result);
      else question.reject(new Refused(error));
    } else if (id === null && error !== null) throw new Refused(error); // a request that could not be read or admitted
    else throw new Error("an answer to another question came");
  }

  #fail(error) {
    this.failure ??= error;
    this.#socket.destroy();
    this.#question?.reject(error);
    this.#listener?.();
  }
}

/** A socket that is open, or why there is none. */
function connected(file, deadline) {
  return new Promise((resolve, reject) => {
    const left = deadline.left();
    const socket = net.connect(file);
    const limit = setTimeout(() => socket.destroy(deadline.missed()), left);
    // For good: one that was given up may still fail, and an error that nobody listens to ends a program.
    socket.on("error", (it) => {
      clearTimeout(limit);
      reject(it);
    });
    socket.once("connect", () => {
      clearTimeout(limit);
      resolve(socket);
    });
  });
}

/** A limit on how long something may take altogether, however many waits it is made of. */
class Deadline {
  #end;

  constructor(milliseconds) {
    this.milliseconds = milliseconds;
    this.#end = performance.now() + milliseconds;
  }

  left() {
    const left = this.#end - performance.now();
    if (left <= 0) throw this.missed();
    return Math.ceil(left);
  }

  missed() {
    return new Timeout(`the daemon did not answer within ${this.milliseconds} ms`);
  }
}

/** Whether nobody heard the question, because the pipe was broken already. */
const wasUnheard = (error) => error instanceof Unreachable && error.cause?.code === "EPIPE";

module.exports = { Connection, Deadline, defaultPath, wasUnheard };
