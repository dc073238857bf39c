// A verdict as a card: what it is, until when, what it includes, and why.
import { ask, date, el, moment, named, relative, short, skim, speak } from './common.js';

const NOT = {
  NO_WALLET: 'No wallet linked',
  NOT_HELD: 'Not licensed',
  EXPIRED: 'Expired',
  SUSPENDED: 'Suspended',
  TRUST_TOO_LOW: 'Not settled yet',
  UNDETERMINED: 'Cannot be said now',
  NO_PRODUCT: 'Not installed',
  PUBLISHER_MISMATCH: 'Another publisher',
};

/** How it looks and what it is called. What it says is the daemon's: `valid`. */
function state(verdict) {
  if (verdict.valid && verdict.code === 'GRACE') return ['wait', 'Licensed, on its last proof'];
  if (verdict.valid && verdict.provisional) return ['yes', 'Licensed, purchase not final yet'];
  if (verdict.valid) return ['yes', 'Licensed'];
  return [['UNDETERMINED', 'TRUST_TOO_LOW'].includes(verdict.code) ? 'wait' : 'idle', NOT[verdict.code] ?? 'Not licensed'];
}

function until(verdict) {
  if (!verdict.valid) return null;
  if (verdict.code === 'GRACE' && verdict.grace_until) {
    return el('p', { class: 'until' }, `Counts until ${moment(verdict.grace_until)} `, el('span', {}, 'without the chain'));
  }
  if (!verdict.expires_at) return el('p', { class: 'until' }, 'No end date ', el('span', {}, 'for as long as it is held'));
  return el('p', { class: 'until' }, `Until ${date(verdict.expires_at)} `, el('span', {}, relative(verdict.expires_at)));
}

function features(verdict) {
  const named = Object.entries(verdict.features ?? {}).filter(([, value]) => value !== false);
  if (!verdict.valid || named.length === 0) return null;
  const chip = ([name, value]) => el('li', {}, value === true ? name.replaceAll('_', ' ') : `${name.replaceAll('_', ' ')}: ${value}`);
  return el('ul', { class: 'chips', 'aria-label': 'Features' }, named.map(chip));
}

function seats(verdict, pools) {
  if (pools.length === 0 && verdict.valid && verdict.seats) {
    return el('p', { class: 'seats' }, `${verdict.seats} ${verdict.seats === 1 ? 'seat' : 'seats'}`);
  }
  return pools.filter((it) => it.capacity !== null).map((pool) => {
    const waiting = pool.waiting > 0 ? `, ${pool.waiting} waiting` : '';
    const text = `${pool.used} of ${pool.capacity} seats in use${waiting}`;
    return el('div', { class: 'seats' }, el('span', {}, text), el('meter', { min: 0, max: Math.max(pool.capacity, 1), value: pool.used, 'aria-label': text }));
  });
}

function proof(verdict) {
  const parts = [];
  if (verdict.wallet) parts.push(`wallet ${short(verdict.wallet.split(':').at(-1))}`);
  if (verdict.token) parts.push(`token ${verdict.token.split('/').at(-1)}`);
  if (verdict.anchor) parts.push(`proven at block ${verdict.anchor.number.toLocaleString('en')}${verdict.trust ? ` (${verdict.trust})` : ''}`);
  return parts.join(' · ');
}

const STEP = { grant: 'The product grants it', token: 'The token', wallet: 'The wallet', ownership: 'Who holds it', block: 'Proven at', committee: 'Signed by', checkpoint: 'Beginning from' };

async function explain({ product, valid }, into) {
  try {
    const { steps } = await ask('entitlement_explain', { product });
    const kind = { yes: 'is-yes', no: 'is-no' };
    const word = { yes: 'Yes: ', no: 'No: ', unknown: 'Not known: ' };
    const item = (it) => el('li', { class: kind[it.outcome] ?? '' }, el('div', {}, el('b', {}, el('span', { class: 'spoken' }, word[it.outcome] ?? ''), `${STEP[it.step] ?? it.step}: ${skim(it.subject)}`), skim(it.reason)));
    // That a block is what it is called is of use to a program: `entitlectl why` has all steps.
    const known = new Set();
    const shown = steps.filter((it) => it.step !== 'anchor' && !known.has(`${it.step} ${it.subject} ${it.reason}`) && known.add(`${it.step} ${it.subject} ${it.reason}`));
    // What led to a yes comes first; what led nowhere is of use to whoever asks on.
    const led = shown.filter((it) => !valid || it.outcome === 'yes');
    const nowhere = shown.filter((it) => !led.includes(it));
    const more = nowhere.length ? [el('li', { class: 'more' }, el('details', {}, el('summary', {}, 'What else was looked at'), el('ul', { class: 'trail' }, nowhere.map(item))))] : [];
    into.replaceChildren(...(led.length ? led.map(item) : [el('li', {}, el('div', {}, 'There is nothing more to say.'))]), ...more);
  } catch (error) {
    into.replaceChildren(el('li', { class: 'is-no' }, el('div', {}, error.message)));
  }
}

/** The card of a verdict; `name` is what people call the product, `pools` its seats. */
export function card(verdict, name, pools = []) {
  const [kind, word] = state(verdict);
  const id = `licence-${verdict.product}`;
  const trail = el('ul', { class: 'trail' }, el('li', {}, 'one moment …'));
  const why = el('details', { class: 'why' }, el('summary', {}, 'Why?'), el('p', {}, `${skim(verdict.detail.charAt(0).toUpperCase() + verdict.detail.slice(1))}.`), el('p', { class: 'quiet' }, proof(verdict)), trail);
  why.addEventListener('toggle', () => why.open && explain(verdict, trail));
  return el(
    'article', { class: `licence is-${kind}`, id, 'aria-labelledby': `${id}-title` },
    el('div', {}, el('p', { class: 'product' }, named(name)), el('h3', { class: 'tier', id: `${id}-title` }, verdict.tier ?? (verdict.valid ? 'Licensed' : 'No licence'), el('span', { class: 'spoken' }, ' of ', named(name)))),
    el('p', { class: 'state' }, word),
    until(verdict), features(verdict), seats(verdict, pools), why,
  );
}

const TOLD = ['valid', 'code', 'tier', 'features', 'seats', 'token', 'wallet', 'provisional', 'expires_at', 'grace_until', 'detail'];
const said = (it) => JSON.stringify(TOLD.map((name) => it[name]));

/** All cards, kept up to date: those that count first. */
export class Cards {
  constructor(place) {
    this.place = place;
    this.verdicts = new Map();
    this.names = new Map();
    this.pools = [];
    this.fresh = new Set();
  }

  hear(verdict) {
    const before = this.verdicts.get(verdict.product);
    this.verdicts.set(verdict.product, verdict);
    if (before && said(before) === said(verdict)) return;
    if (before && before.valid !== verdict.valid) this.fresh.add(verdict.product);
    if (before) speak(`${this.name(verdict.product)}: ${state(verdict)[1]}${verdict.tier ? `, ${verdict.tier}` : ''}`);
    this.draw();
  }

  keep(products) {
    for (const product of this.verdicts.keys()) if (!products.includes(product)) this.verdicts.delete(product);
    this.draw();
  }

  seats(pools) {
    if (JSON.stringify(pools) === JSON.stringify(this.pools)) return;
    this.pools = pools;
    this.draw();
  }

  name(product) {
    return this.names.get(product) ?? product;
  }

  draw() {
    const all = [...this.verdicts.values()].sort((a, b) => b.valid - a.valid || this.name(a.product).localeCompare(this.name(b.product)));
    const open = new Set([...this.place.querySelectorAll('details[open]')].map((it) => it.closest('article').id));
    const focused = document.activeElement?.closest?.('article')?.id;
    this.place.replaceChildren(...all.map((verdict) => {
      const drawn = card(verdict, this.name(verdict.product), this.pools.filter((it) => it.product === verdict.product));
      if (this.fresh.has(verdict.product)) drawn.classList.add('changed');
      if (open.has(drawn.id)) drawn.querySelector('details').open = true;
      return drawn;
    }));
    this.fresh.clear();
    if (focused) document.getElementById(focused)?.querySelector('summary')?.focus();
  }
}
