// The machine behind the licences: wallets, chains, what happened, and what administrators see.
import { address, by, chainName, date, el, moment, named, relative, short, skim } from './common.js';
import { line, strip } from './charts.js';

const PLACES = 60;

export function drawWallets(wallets) {
  const active = wallets.filter((it) => it.active);
  if (active.length === 0) {
    by('wallets').replaceChildren(el('p', { class: 'quiet' }, 'No wallet is linked yet. Link the one that holds your licences, and they show up here.'), el('p', {}, el('a', { href: '/link' }, 'Link a wallet')));
    return;
  }
  const custody = { managed: 'kept on this machine', linked: 'linked' };
  const row = (it) => el(
    'li', {}, address(it.address), it.label ? el('span', {}, named(it.label)) : null,
    el('span', { class: 'tag' }, custody[it.custody] ?? it.custody), it.chain ? el('span', { class: 'tag' }, chainName(it.chain)) : null,
    el('span', { class: 'end' }, `since ${date(it.added_at)}`),
  );
  by('wallets').replaceChildren(el('ul', { class: 'rows' }, active.map(row)));
}

const KIND = { ok: 'yes', untried: '', degraded: 'wait', stale: 'wait', syncing: 'wait', rate_limited: 'wait' };
const kind = (state) => KIND[state] ?? 'no';
const seconds = (value) => (value === null ? 'not known' : value < 120 ? `${value} s` : `${Math.round(value / 60)} min`);

/** Each chain with the samples so far: how old its head was, and how its endpoints fared. */
export function drawChains(samples) {
  const now = samples.at(-1);
  if (!now) return;
  const of = (sample, id) => sample.chains.find((it) => it.id === id);
  const endpoint = (chain, it) => {
    const past = samples.map((sample) => of(sample, chain.id)?.endpoints.find((other) => other.url === it.url)?.state).filter(Boolean);
    const well = past.filter((state) => state === 'ok').length;
    const speed = it.latency?.p50_ms === undefined || it.latency.p50_ms === null ? '' : `, usually ${it.latency.p50_ms < 1 ? 'under 1' : it.latency.p50_ms} ms`;
    const label = `${it.url}: ${it.state.replaceAll('_', ' ')}; well in ${well} of the last ${past.length} looks`;
    return el('div', {}, el('div', { class: 'caption' }, el('span', { class: 'mono' }, it.url), el('span', {}, `${it.state.replaceAll('_', ' ')}${speed}`)), strip(past.map(kind), PLACES, label));
  };
  const drawn = now.chains.map((chain) => {
    const ages = samples.map((sample) => of(sample, chain.id)?.head_age_s ?? null);
    const label = `Age of the newest block of ${chainName(chain.id)}: ${seconds(chain.head_age_s)} now, at most ${seconds(Math.max(...ages, 0))}`;
    return el(
      'div', { class: 'chain' },
      el('div', { class: 'heading' }, el('h3', {}, chainName(chain.id)), el('span', { class: `tag is-${kind(chain.status)}` }, chain.status), el('span', { class: 'quiet' }, `trust: ${chain.trust}`)),
      line(ages, Math.max(ages.length, 20), label),
      el('div', { class: 'caption' }, el('span', {}, `newest block ${chain.head === null ? 'not known' : chain.head.toLocaleString('en')}`), el('span', {}, `${seconds(chain.head_age_s)} old`)),
      chain.endpoints.map((it) => endpoint(chain, it)),
    );
  });
  by('chains').replaceChildren(...(drawn.length ? drawn : [el('p', { class: 'quiet' }, 'No chain is configured: nothing can be proven yet.')]));
}

function timeline(entries) {
  const item = ({ at, title, text }) => el('li', {}, el('time', { datetime: at, title: moment(at) }, relative(at)), el('strong', {}, title), text ? el('p', { class: 'quiet' }, text) : null);
  const shown = entries.sort((a, b) => b.at.localeCompare(a.at)).slice(0, 30);
  by('history').replaceChildren(shown.length ? el('ol', { class: 'timeline', reversed: true }, shown.map(item)) : el('p', { class: 'quiet' }, 'Nothing yet.'));
}

/** What a person's own ledger tells. */
export function drawHistory(wallets, ownerships) {
  const entries = [];
  for (const it of wallets) {
    entries.push({ at: it.added_at, title: it.custody === 'managed' ? 'Wallet made' : 'Wallet linked', text: short(it.address) });
    if (it.removed_at) entries.push({ at: it.removed_at, title: 'Wallet unlinked', text: short(it.address) });
  }
  for (const it of ownerships) {
    entries.push({ at: it.first_seen, title: 'Licence token arrived', text: `${skim(it.token)}, proven at block ${it.block.number}` });
    if (it.closed_at) entries.push({ at: it.closed_at, title: 'Licence token left', text: skim(it.token) });
    if (it.suspended) entries.push({ at: it.suspended.at, title: 'Suspended', text: it.suspended.reason });
  }
  timeline(entries);
}

/** The audit, for administrators: every change, by whom. */
export function drawAudit(entries) {
  const words = (text) => (text.charAt(0).toUpperCase() + text.slice(1)).replaceAll(/[_.]/g, ' ');
  timeline(entries.map((it) => ({ at: it.at, title: words(it.action), text: [skim(it.subject), skim(it.detail), `by ${it.by}`].filter(Boolean).join(' · ') })));
}

function table(place, heads, rows, none) {
  if (rows.length === 0) return by(place).replaceChildren(el('p', { class: 'quiet' }, none));
  const row = (cells) => el('tr', {}, cells.map((cell, at) => el('td', { 'data-of': heads[at] }, cell)));
  return by(place).replaceChildren(el('table', {}, el('thead', {}, el('tr', {}, heads.map((it) => el('th', { scope: 'col' }, it)))), el('tbody', {}, rows.map(row))));
}

export function drawCustomers(customers, ownerships) {
  const held = (id) => ownerships.filter((it) => it.active && it.customer === id).length;
  table('customers', ['Customer', 'Users', 'Tokens held', 'State'], customers.map((it) => [
    it.name === it.id ? it.id : [named(it.name), ` (${it.id})`], it.uids.join(', ') || '–', String(held(it.id)), it.active ? 'active' : 'deactivated',
  ]), 'No customer was made yet: everybody stands for their own user.');
}

export function drawProducts(products) {
  table('products', ['Product', 'Tiers', 'Needs'], products.map((it) => [
    [named(it.name), ` (${it.id})`], it.tiers.map((tier) => tier.name).join(', '), `${it.trust}, ${it.finality}`,
  ]), 'No product is installed.');
}

export function drawLedger(figures) {
  const size = figures.file_bytes < 1e6 ? `${Math.round(figures.file_bytes / 1e3)} kB` : `${(figures.file_bytes / 1e6).toFixed(1)} MB`;
  const shown = { Customers: figures.customers, Wallets: figures.wallets, Ownerships: figures.ownerships, Proofs: figures.sightings, 'Audit entries': figures.audit_entries, 'Size on disk': size };
  const figure = ([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value.toLocaleString('en')));
  by('ledger').replaceChildren(...Object.entries(shown).map(figure));
}

export function drawActors(actors) {
  const row = (it) => el('li', {}, el('span', {}, it.name), el('span', { class: `tag is-${it.state === 'running' ? 'yes' : 'no'}` }, it.state), el('span', { class: 'end' }, it.restarts === 1 ? '1 restart' : `${it.restarts} restarts`));
  by('actors').replaceChildren(el('ul', { class: 'rows' }, actors.map(row)));
}
