// The overview: drawn once from what the daemon lists, and again wherever it says that something changed.
import { ask, askAll, by, follow, notice, opened, relative, say } from './common.js';
import { Cards } from './licence.js';
import { drawActors, drawAudit, drawChains, drawCustomers, drawHistory, drawLedger, drawProducts, drawWallets } from './machine.js';

const KEPT = 60;
const AUDIT_DAYS = 30;
const cards = new Cards(by('cards'));
const samples = [];
let how = {};
let due = null;

function presence(kind, text) {
  const pill = by('presence');
  if (pill.textContent === text) return;
  pill.className = `pill is-${kind}`;
  pill.textContent = text;
}

/** Reads the lists again, once for all that happens within a moment. */
function changed() {
  clearTimeout(due);
  due = setTimeout(() => refresh().catch(trouble), 150);
}

function trouble(error) {
  say(notice('no', error.message, error.help));
}

async function refresh() {
  const [wallets, ownerships, products] = await Promise.all([askAll('wallet_list'), askAll('ownership_list'), askAll('product_list')]);
  for (const product of products) cards.names.set(product.id, product.name);
  cards.draw();
  drawWallets(wallets);
  await seats();
  if (how.admin) await administration(products);
  else drawHistory(wallets, ownerships);
  note();
  say();
}

async function seats() {
  if (![...cards.verdicts.values()].some((it) => it.seats !== null)) return;
  cards.seats((await ask('seat_list', { limit: 1 })).pools);
}

function note() {
  const all = [...cards.verdicts.values()];
  const valid = all.filter((it) => it.valid).length;
  by('licences-note').textContent = all.length === 0 ? 'No product is installed.' : `${valid} of ${all.length} installed ${all.length === 1 ? 'product' : 'products'} licensed`;
}

async function administration(products) {
  const since = new Date(Date.now() - AUDIT_DAYS * 86_400_000).toISOString();
  const admin = '/admin';
  const [customers, held, figures, audit] = await Promise.all([
    askAll('customer_list', {}, admin), askAll('ownership_list', { active: true }, admin), ask('store_stats', {}, admin), askAll('audit_list', { since }, admin),
  ]);
  drawCustomers(customers, held);
  drawProducts(products);
  drawLedger(figures);
  drawAudit(audit);
  by('administration').hidden = false;
}

function sampled(sample) {
  samples.push(sample);
  if (samples.length > KEPT) samples.shift();
  drawChains(samples);
  drawActors(sample.actors);
  by('version').textContent = `entitled ${sample.version}.`;
  presence(sample.status === 'ok' ? 'yes' : 'wait', sample.status === 'ok' ? 'all is well' : 'something is amiss');
  if (sample.store.recovered) say(notice('wait', 'The ledger was recovered.', sample.store.recovered));
  seats().catch(trouble);
}

async function start() {
  try {
    how = await opened();
  } catch (error) {
    return trouble(error);
  }
  follow({
    verdict: (it) => { cards.hear(it); changed(); },
    sample: sampled,
    there: (products) => { cards.keep(products); changed(); },
    away: () => presence('no', 'the daemon is away'),
    again: () => location.reload(),
  }, () => {
    presence('no', 'closed');
    say(notice('no', 'This page is closed: the command behind it has ended.', 'Run entitlectl ui again.'));
  });
  return undefined;
}

// `just now` does not stay true.
setInterval(() => document.querySelectorAll('time').forEach((it) => { it.textContent = relative(it.dateTime); }), 10_000);

start();
