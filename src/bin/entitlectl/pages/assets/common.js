// What all pages need: asking the daemon, making elements, saying times.

/** Why something could not be had: `code` is the daemon's name for it, or `UNREACHABLE` or `CLOSED`. */
export class AskError extends Error {
  constructor(code, message, help) {
    super(message);
    this.code = code;
    this.help = help ?? '';
  }
}

// What turns around the order of the text beside it, moves, or begins another line (Unicode UAX #9): as in the daemon,
// core/domain/control_character.rs.
const CONTROL = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu;

/** A name or a text of somebody else's, without what would make it read as something else. */
export function plain(text) {
  return text.replace(CONTROL, '\uFFFD');
}

/** What the daemon says, with each text in it made plain: but for the message to be signed, which is the daemon's own, to the byte. */
function heard(text) {
  return JSON.parse(text, (key, value) => (typeof value === 'string' && key !== 'message' ? plain(value) : value));
}

/** A name among other words, which has a direction of its own. */
export function named(name) {
  return el('bdi', {}, name);
}

let number = 0;
/** What the command behind this page bears with all that it says. It is never sent there: once the command has ended, its port is anybody's. */
let key = null;
let closed = false;

export const gone = () => new AskError('CLOSED', 'This page is closed: the command behind it has ended.', 'Run the command again, and open the address that it prints.');

/** For good: whoever answers at this address later is somebody else. */
function close() {
  closed = true;
  return gone();
}

async function fetched(path, options) {
  if (closed) throw gone();
  const reply = await fetch(path, options).catch(() => { throw close(); });
  if (closed || (key !== null && reply.ok && reply.headers.get('entitled-page') !== key)) throw close();
  return reply;
}

/** Asks one of the methods that entitlectl passes on; `door` is `/admin` for what administrators may ask. */
export async function ask(method, params = {}, door = '') {
  number += 1;
  const body = JSON.stringify({ jsonrpc: '2.0', id: number, method, params });
  const reply = await fetched(`/rpc${door}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  if (!reply.ok) throw new AskError('SESSION', 'This page has lost its session.', 'Run the command again, and open the address that it prints.');
  const { result, error } = heard(await reply.text());
  if (error) throw new AskError(error.data?.code ?? 'FAILED', error.data?.detail ?? error.message, error.data?.help);
  return result;
}

/** A whole list, or the first pages of a very long one. */
export async function askAll(method, params = {}, door = '', pages = 5) {
  const items = [];
  let cursor = null;
  do {
    const page = await ask(method, { ...params, limit: 1000, ...(cursor === null ? {} : { cursor }) }, door);
    items.push(...page.items);
    cursor = page.next_cursor;
    pages -= 1;
  } while (cursor !== null && pages > 0);
  return items;
}

/** How this page was opened. */
export async function opened() {
  const reply = await fetched('/opened');
  if (!reply.ok) throw new AskError('SESSION', 'This page has no session.', 'Run the command again, and open the address that it prints.');
  const how = heard(await reply.text());
  key = how.key;
  return how;
}

/** Hears what changes, once it is known how the page was opened. `acts` has a function for each event; `lost` is told when
 * nobody answers any more. A browser would by itself ask again, and again. */
export function follow(acts, lost) {
  const source = new EventSource('/live');
  let begun = false;
  const end = () => {
    source.close();
    close();
    lost();
  };
  source.addEventListener('begun', (event) => {
    begun = event.data === key;
    if (!begun) end();
  });
  for (const [name, act] of Object.entries(acts)) {
    source.addEventListener(name, (event) => (begun ? act(heard(event.data)) : end()));
  }
  source.addEventListener('error', end);
}

/** An element. Text is text: nothing of what others named is ever read as HTML. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'onclick') element.addEventListener('click', value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((it) => it !== null && it !== undefined && it !== ''));
  return element;
}

export const by = (id) => document.getElementById(id);

/** Says something to who does not see the page change. */
export function speak(text) {
  by('spoken').textContent = text;
}

export function short(address) {
  return address.length > 14 ? `${address.slice(0, 6)}…${address.slice(-4)}` : address;
}

/** Text for people to skim: hashes and addresses short, tokens by their collection and number, times as people say them. */
export function skim(text) {
  return text
    .replace(/\b[a-z0-9]+:[0-9]+\/erc\d+:/g, '')
    .replace(/\beip155:[0-9]+:(?=0x)/g, '')
    .replace(/0x[0-9a-fA-F]{40,64}/g, short)
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, moment);
}

/** An address that is shown short and can be read whole. */
export function address(text) {
  return el('span', { class: 'mono', title: text }, short(text));
}

const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long' });
const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' });
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const date = (text) => DATE.format(new Date(text));
export const moment = (text) => MOMENT.format(new Date(text));
export const clock = (it) => CLOCK.format(new Date(it));

/** `in 14 days`, `3 minutes ago`. */
export function relative(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  for (const [unit, length] of [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3_600], ['minute', 60]]) {
    if (Math.abs(seconds) >= (['hour', 'minute'].includes(unit) ? length : 2 * length)) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? 'just now' : RELATIVE.format(Math.trunc(seconds), 'second');
}

const CHAINS = { 1: 'Ethereum', 10: 'OP Mainnet', 56: 'BNB Smart Chain', 100: 'Gnosis', 137: 'Polygon', 324: 'ZKsync Era', 8453: 'Base', 42161: 'Arbitrum One', 43114: 'Avalanche', 59144: 'Linea', 11155111: 'Sepolia', 560048: 'Hoodi', 31337: 'Local test chain' };

/** What people call a chain of CAIP-2. */
export function chainName(id) {
  return CHAINS[id.replace(/^eip155:/, '')] ?? `Chain ${id.replace(/^eip155:/, '')}`;
}

/** Something to know or to do: what it is, what helps, and buttons. */
export function notice(kind, title, help, ...buttons) {
  return el('div', { class: `notice is-${kind}` }, el('strong', {}, title), help ? el('p', {}, help) : null, buttons.length ? el('div', { class: 'actions' }, buttons) : null);
}

export function say(...elements) {
  by('notice').replaceChildren(...elements);
}

export function button(text, act, attributes = {}) {
  return el('button', { type: 'button', onclick: act, ...attributes }, text);
}
