/// <reference lib="esnext.disposable" />
/**
 * Asks `entitled`, the daemon that keeps the licences of a Linux machine, what a program is entitled to.
 *
 * There are three answers, and "not known" is neither of the other two. So there is no value that says the answer, and
 * nothing to put into an `if`: a program gives a handler for each of the three, and gets what the handler gives.
 */

/** What the daemon says of one product, and why. Times are RFC 3339 in UTC. */
export interface Verdict {
  readonly product: string;
  /** Why: `VALID`, `NOT_HELD`, `UNDETERMINED`, …; empty when the daemon gave no verdict. */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  readonly tier: string | null;
  readonly features: Readonly<Record<string, unknown>>;
  /** All that the daemon said: `expires_at`, `trust`, `anchor` and others. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** The verdict of one who is entitled. Only this one can be asked for features. */
export interface Entitled extends Verdict {
  /** Whether the tier names a feature, and not as false, zero or empty. */
  has(feature: string): boolean;
  /** The value of a feature; `otherwise` when the tier does not name it. */
  feature(name: string): unknown;
  feature<T>(name: string, otherwise: T): unknown;
}

/** What there is when it is not known: a verdict whose code is `UNDETERMINED`, or none and an error. */
export interface NotKnown extends Verdict {
  readonly error?: EntitledError;
}

/** What a program does about each answer. All three have to be there. */
export interface Handlers<Yes, No = Yes, Unknown = Yes> {
  yes(verdict: Entitled): Yes;
  no(verdict: Verdict): No;
  notKnown(verdict: NotKnown): Unknown;
}

export interface CheckOptions {
  /** Also require this feature. */
  feature?: string;
  /** The minisign public key that must have signed the product's file. Compile it in. */
  publisher?: string;
  /** How long the daemon may wait for the chain, in milliseconds; 2,000 if absent. */
  waitMs?: number;
}

export interface ClientOptions {
  /** Where the daemon listens; `defaultPath()` if absent. */
  path?: string;
  /** The limit for each question altogether, in milliseconds; 5,000 if absent. */
  timeout?: number;
}

/** Asks the daemon. Its connection mends itself when the daemon was restarted. */
export class Client {
  constructor(options?: ClientOptions);
  /** What the caller is entitled to of `product`. Without an answer, `notKnown` is called and its verdict has an `error`. */
  check<Yes, No, Unknown>(
    product: string, handlers: Handlers<Yes, No, Unknown>, options?: CheckOptions,
  ): Promise<Awaited<Yes> | Awaited<No> | Awaited<Unknown>>;
  /** Follows the verdict about `product`: what the handlers give for the present one, then for each change. */
  watch<Yes, No, Unknown>(
    product: string, handlers: Handlers<Yes, No, Unknown>,
  ): AsyncIterableIterator<Awaited<Yes> | Awaited<No> | Awaited<Unknown>>;
  /** Asks any method, and gives its result. Rejects with an `EntitledError` when there is none. */
  call(method: string, params?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Takes a floating seat. Rejects with `SeatRefused`, or with an `EntitledError` when the daemon could not be asked. */
  seat(product: string, options?: SeatOptions): Promise<Seat>;
  /** Hangs up. The client can still be used. */
  close(): void;
}

export interface SeatOptions {
  /** A seat of this tier; the best that there is if absent. */
  tier?: string;
  /** A seat of a tier that includes this feature. */
  feature?: string;
  /** How long to wait in the queue, in milliseconds: an hour at most. */
  waitMs?: number;
}

/** What a program does about how its seat stands. All three have to be there. */
export interface SeatHandlers<Yes, No = Yes, Unknown = Yes> {
  /** It is held; with `endsAt` (RFC 3339), its pool has lost capacity, and it ends then. */
  yes(state: { readonly endsAt: string | null }): Yes;
  /** It has ended, and why: `capacity`, `revoked` and others; or the code with which it was not given again. */
  no(state: { readonly reason: string }): No;
  /** The daemon is away, or does not know. */
  notKnown(state: { readonly error?: EntitledError; readonly reason?: string }): Unknown;
}

/** A floating seat: `await using seat = await client.seat(…)`, or `release()`. It ends with the process in any case. */
export class Seat {
  private constructor();
  readonly id: string;
  readonly tier: string;
  /** All that the daemon said: `fence`, `used`, `capacity`, `over` and others. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** How it stands after its next change, or after `waitMs`. To be called from time to time: it finds a restarted daemon. */
  check<Yes, No, Unknown>(
    handlers: SeatHandlers<Yes, No, Unknown>, options?: { waitMs?: number },
  ): Promise<Awaited<Yes> | Awaited<No> | Awaited<Unknown>>;
  /** Gives it back. Rejects with an `EntitledError` when the daemon could not be told. */
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  [Symbol.dispose](): void;
}

/** There is no seat: `SEATS_FULL`, `NOT_ENTITLED`, `EXCLUDED`, `DRAINING`; or it is not known: `UNDETERMINED`. */
export class SeatRefused extends Error {
  private constructor();
  readonly code: string;
  readonly answer: "no" | "notKnown";
  /** How many requests wait. */
  readonly queue: number;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Takes a floating seat, at `defaultPath()`. */
export function seat(product: string, options?: SeatOptions & ClientOptions): Promise<Seat>;

/** Asks once, at `defaultPath()`. */
export function check<Yes, No, Unknown>(
  product: string, handlers: Handlers<Yes, No, Unknown>, options?: CheckOptions & ClientOptions,
): Promise<Awaited<Yes> | Awaited<No> | Awaited<Unknown>>;

export interface ReceiptOptions {
  /** What the receipt was asked for with: random, and never used before. None for a receipt from a file. */
  nonce?: string | Uint8Array;
  /** Where there is a nonce, also take the receipt of a linked wallet, which may have been copied from another machine. */
  acceptLinked?: boolean;
  /** The least version of the product's file that does; any if absent. Whatever the key signed once can be shown for good: name
   *  the version that the program was released with. */
  minVersion?: number;
  /** Also take a receipt whose block no validators signed for, as files with trust "single" or "quorum" allow: that proves
   *  nothing against whoever made it. */
  acceptMaker?: boolean;
  /** Seconds since 1970, as far as the program trusts a clock; this machine's if absent. */
  now?: number;
  /** Where the addon lies that comes with the C library; where its package installs it, if absent. */
  addon?: string;
}

/**
 * What a receipt proves, with no word of anybody's taken but by `acceptMaker`. The C library runs everything again, in a tenth of a second in which
 * the program does nothing else. `yes` is called, or `notKnown`: no receipt proves a "no". Where the C library is not
 * installed, the `error` of `notKnown` says so. `publisher` is the vendor's minisign public key: compile it in. `raw.proof` says
 * how well it is proven, `raw.vouched` who says that its block is the chain's (`validators` or `maker`), and `raw.version` which
 * version of the product's file is in it.
 */
export function verifyReceipt<Yes, No, Unknown>(
  receipt: string | Uint8Array, product: string, publisher: string, handlers: Handlers<Yes, No, Unknown>,
  options?: ReceiptOptions,
): Yes | Unknown;

/** `$ENTITLED_SOCKET` (a path, or `unix://` and a path); else the machine's socket, if it is there; else the user's. */
export function defaultPath(): string;

/** No answer, and why. None of these says that the caller is not entitled. */
export class EntitledError extends Error {
  protected constructor();
}
/** Nobody answers at the socket, or the connection broke off. */
export class Unreachable extends EntitledError {}
/** The socket is owned by somebody who is neither root, nor the caller, nor the owner of its directory. */
export class Untrusted extends EntitledError {}
/** The daemon did not answer in time. */
export class Timeout extends EntitledError {}
/** What was said is not JSON-RPC 2.0, or not an answer to what was asked. */
export class ProtocolError extends EntitledError {}
/** The receipt does not prove what was asked, or the C library is not installed, which judges it. */
export class ReceiptError extends EntitledError {}
/** The daemon understood and declined. */
export class Refused extends EntitledError {
  readonly code: number;
  /** The refusal's name, such as `LIMIT_EXCEEDED`. */
  readonly reason?: string;
  readonly detail?: string;
  readonly help?: string;
}
