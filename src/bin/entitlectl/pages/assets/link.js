// Linking a wallet: choose it, read what is signed, sign, and see what it is good for.
import { ask, askAll, AskError, button, by, chainName, clock, el, follow, gone, named, notice, opened, say, short, speak } from './common.js';
import { Cards } from './licence.js';
import { accounts, chain, discover, sign, switchTo } from './wallet.js';

const cards = new Cards(by('cards'));
const wallets = [];
let how = {};
let chains = [];
let customer = null;
let linked = null;
/** What the person is at, so that a late answer of something they left does not move them. */
let turn = 0;

function show(number, title, ...content) {
  turn += 1;
  document.querySelectorAll('.steps li').forEach((item, at) => {
    item.classList.toggle('is-past', at < number);
    if (at === number) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  const heading = el('h2', { id: 'step-title', tabindex: '-1' }, title);
  by('step').replaceChildren(heading, ...content);
  if (document.body.dataset.begun) heading.focus();
  document.body.dataset.begun = 'yes';
  return turn;
}

function waiting(title, text, number = 0) {
  return show(number, title, el('p', { class: 'waiting' }, text), el('div', { class: 'actions' }, button('Choose another wallet', choose, { class: 'second' })));
}

/** Says what went wrong and what to do, and goes on from there. */
function failed(error, wallet, again) {
  const retry = button('Try again', again);
  const other = button('Choose another wallet', choose, { class: 'second' });
  const said = {
    DECLINED: ['wait', 'You declined in your wallet.', 'Nothing was signed, and nothing has changed. If that was a mistake, try again.', retry, other],
    PENDING: ['wait', `${wallet?.name} is already asking you something.`, 'Open the wallet, answer there, and then try again.', retry, other],
    EXPIRED: ['wait', 'The text has expired.', 'A text counts once and for ten minutes. Try again to get a new one; nothing was lost.', retry],
    SPENT: ['wait', 'The text you signed has expired, or was used already.', 'A text counts once and for ten minutes. Try again to get a new one; nothing was lost.', retry],
    SIGNATURE_INVALID: ['no', 'The signature is not of this wallet.', `${error.message}. Make sure that the same account is chosen in your wallet, and try again.`, retry, other],
    CONFLICT: ['no', 'This wallet cannot be linked.', `${error.message}. If it is linked to somebody else on this machine, it has to be unlinked there first.`, other],
    CHAIN_UNAVAILABLE: ['wait', 'The chain does not answer at the moment.', 'This wallet is a contract, which has to agree on its chain. Try again in a moment.', retry, other],
    LIMIT_EXCEEDED: ['wait', 'That were many tries within a minute.', 'Wait a minute, and try again.', retry],
    UNREACHABLE: ['no', 'The daemon entitled does not answer.', `${error.message}. ${error.help}`, retry],
    CLOSED: ['no', error.message, 'Run entitlectl wallet link again, and open the address that it prints.'],
    SESSION: ['no', error.message, 'Run entitlectl wallet link again, and open the address that it prints.'],
  }[error.code] ?? ['no', 'That did not work.', `${wallet ? `${wallet.name} says: ` : ''}${error.message}`, retry, other];
  choose();
  say(notice(...said));
  by('notice').querySelector('button')?.focus();
}

// ---- choosing

function choose() {
  say();
  if (wallets.length === 0) {
    show(
      0, 'No wallet was found in this browser',
      el('p', {}, 'Wallets are extensions of a browser, such as MetaMask, Rabby or Coinbase Wallet. Install one or switch it on, and it appears here by itself.'),
      el('p', {}, 'Is your wallet in another browser? Run the command again, and open the address that it prints there. Or sign by copy and paste:'),
      el('pre', {}, 'entitlectl wallet link --no-browser'),
    );
    return;
  }
  const choice = (wallet) => el(
    'li', {},
    button('', () => begin(wallet)),
  );
  const items = wallets.map((wallet) => {
    const item = choice(wallet);
    item.firstChild.append(wallet.icon ? el('img', { src: wallet.icon, alt: '' }) : el('span', { class: 'blank' }), el('span', {}, wallet.name));
    return item;
  });
  show(0, 'Choose your wallet', el('p', { class: 'quiet' }, 'It is asked for its address, and for nothing else yet.'), el('ul', { class: 'choices' }, items));
}

async function begin(wallet) {
  say();
  sessionStorage.setItem('begun', 'yes');
  const mine = waiting(`Open ${wallet.name}`, `${wallet.name} asks you which account to show to this page.`);
  try {
    const all = await accounts(wallet);
    if (mine !== turn) return;
    if (all.length === 1) return void onto(wallet, all[0]);
    const item = (account) => el('li', {}, button(short(account), () => onto(wallet, account), { class: 'mono', 'aria-label': `Account ${account}` }));
    show(0, 'Which account?', el('ul', { class: 'choices' }, all.map(item)));
  } catch (error) {
    if (mine === turn) failed(error, wallet, () => begin(wallet));
  }
}

/** The wallet, if it is linked to this person already. */
async function known(account) {
  const all = await askAll('wallet_list');
  return all.find((it) => it.active && it.address.toLowerCase() === account.toLowerCase());
}

// ---- the network: for a key the chain is but a name in the text; a contract is asked on it

async function onto(wallet, account) {
  say();
  const mine = waiting(`Asking ${wallet.name}`, 'Which network is it on?');
  try {
    const before = await known(account);
    if (mine !== turn) return;
    if (before) {
      linked = before;
      return void done();
    }
    const now = await chain(wallet);
    if (mine !== turn) return;
    if (chains.length === 0 || chains.includes(now)) return void read(wallet, account, chains.length ? now : null);
    const wanted = chains[0];
    const turnTo = async () => {
      const turned = waiting(`Open ${wallet.name}`, `It asks you to switch to ${chainName(wanted)}.`);
      try {
        await switchTo(wallet, wanted);
        if (turned === turn) await onto(wallet, account);
      } catch (error) {
        if (turned !== turn) return;
        network();
        const help = error.code === 'UNKNOWN_CHAIN'
          ? `${wallet.name} does not know ${chainName(wanted)}. Add it there, or sign without switching: for an ordinary wallet the network makes no difference.`
          : 'The network was not switched, and nothing was signed. Try again, or sign without switching: for an ordinary wallet the network makes no difference.';
        say(notice('wait', 'Still on another network.', help));
      }
    };
    const network = () => show(
      0, 'Your wallet is on another network',
      el('p', {}, `${wallet.name} is on ${chainName(now)}. This machine looks at ${chains.map(chainName).join(', ')}.`),
      el('div', { class: 'actions' }, button(`Switch to ${chainName(wanted)}`, turnTo), button('Sign without switching', () => read(wallet, account, wanted), { class: 'second' })),
    );
    network();
  } catch (error) {
    if (mine === turn) failed(error, wallet, () => onto(wallet, account));
  }
}

// ---- reading and signing

async function read(wallet, account, on) {
  say();
  const again = () => read(wallet, account, on);
  const mine = waiting('One moment …', 'The daemon writes the text that you sign.', 1);
  try {
    const challenge = await ask('wallet_challenge', { address: account, ...(on ? { chain: on } : {}) });
    if (mine !== turn) return;
    const name = challenge.message.split(' ', 1)[0];
    const whom = customer?.name && customer.name !== customer.id ? [named(customer.name), ` (${customer.id})`] : [customer?.id];
    show(
      1, 'Read what you sign',
      el(
        'ul', { class: 'points' },
        el('li', {}, el('p', {}, el('strong', {}, 'The wallet is yours. '), 'Your signature shows that ', el('span', { class: 'mono' }, account), ' belongs to you.')),
        el('li', {}, el('p', {}, el('strong', {}, 'It counts here. '), `Its licences count on this machine${customer ? ', for ' : ''}`, ...whom, '. You can unlink it at any time.')),
        el('li', {}, el('p', {}, el('strong', {}, 'It costs nothing. '), 'This is no transaction: nothing is paid, moved or allowed.')),
        el('li', {}, el('p', {}, el('strong', {}, 'It counts once, '), `until ${clock(challenge.expires_at)}. Your wallet shows the name `, el('span', { class: 'mono' }, name), ', which is that of this machine', location.hostname === name ? ' and of this page.' : '. It may remark that this page has another name, which is right.')),
      ),
      el('details', {}, el('summary', {}, 'The text, word for word'), el('pre', {}, challenge.message)),
      el('div', { class: 'actions' }, button(`Sign in ${wallet.name}`, () => signed(wallet, account, challenge, again)), button('Choose another wallet', choose, { class: 'second' })),
    );
    const reading = turn;
    wallet.provider.on?.('accountsChanged', (now) => {
      if (reading !== turn || now.some((it) => it.toLowerCase() === account.toLowerCase())) return;
      choose();
      say(notice('wait', 'Another account was chosen in your wallet.', 'Nothing was signed. Go on with the account that you want.'));
    });
  } catch (error) {
    if (mine === turn) failed(error, wallet, again);
  }
}

async function signed(wallet, account, challenge, again) {
  say();
  if (Date.now() >= Date.parse(challenge.expires_at)) return failed(new AskError('EXPIRED', 'expired'), wallet, again);
  const mine = waiting(`Sign in ${wallet.name}`, 'It shows you the text once more. Agree there.', 1);
  try {
    const signature = await sign(wallet, challenge.message, account);
    if (mine === turn) await prove(wallet, account, challenge, signature, again);
  } catch (error) {
    if (mine === turn) failed(error, wallet, again);
  }
}

async function prove(wallet, account, challenge, signature, again) {
  const mine = show(1, 'Checking your signature', el('p', { class: 'waiting' }, 'A wallet that is a contract is asked on its chain, which may take some seconds.'));
  try {
    linked = await ask('wallet_link', { message: challenge.message, signature });
  } catch (error) {
    const before = error.code === 'CONFLICT' ? await known(account).catch(() => null) : null;
    if (mine !== turn) return;
    if (error.code === 'NOT_FOUND') error.code = 'SPENT';
    // The signature still counts: only the chain was away.
    const once = error.code === 'CHAIN_UNAVAILABLE' ? () => prove(wallet, account, challenge, signature, again) : again;
    if (!before) return failed(error, wallet, once);
    linked = before;
  }
  done();
}

// ---- done

function done() {
  sessionStorage.removeItem('begun');
  say();
  show(
    2, 'Your wallet is linked',
    el('div', { class: 'success' }, el('p', {}, el('span', { class: 'mono' }, linked.address), linked.chain ? ` counts on ${chainName(linked.chain)}.` : ' counts on every chain this machine looks at.')),
    el('p', { class: 'quiet' }, 'You can close this page. What you buy from now on with this wallet shows up by itself.'),
    el('div', { class: 'actions' }, button('Link another wallet', choose, { class: 'second' })),
  );
  by('result').hidden = false;
  remark();
  speak(`Your wallet ${short(linked.address)} is linked.`);
}

function remark() {
  const all = [...cards.verdicts.values()];
  const note = all.some((it) => it.valid) ? '' : all.some((it) => it.code === 'UNDETERMINED')
    ? 'The chain is being looked at. This may take a moment.'
    : 'This wallet holds no licence for what is installed here. Once you buy one, it appears by itself.';
  by('result-note').textContent = note;
}

/** A user who never linked anything is no customer yet. */
function unmade(error) {
  if (error.code !== 'NOT_FOUND') throw error;
  return null;
}

/** From the command that showed this page, and from nobody else. */
async function reload() {
  try {
    await opened();
    location.reload();
  } catch (error) {
    failed(error, null, reload);
  }
}

async function start() {
  discover((wallet) => {
    wallets.push(wallet);
    if (document.body.dataset.ready && by('step').querySelector('.choices, pre') && !linked) choose();
  });
  try {
    how = await opened();
    follow({
      verdict: (it) => { cards.hear(it); remark(); },
      there: (products) => { cards.keep(products); presence('yes', 'connected'); },
      away: () => presence('no', 'the daemon is away'),
    }, lost);
    by('closing').textContent = `It closes itself at ${clock(Date.now() + how.seconds * 1000)} at the latest.`;
    const [health, who, products] = await Promise.all([ask('system_health'), ask('customer_get').catch(unmade), askAll('product_list')]);
    chains = how.chain ? [how.chain] : health.chains.map((it) => it.id);
    customer = who;
    for (const product of products) cards.names.set(product.id, product.name);
    cards.draw();
  } catch (error) {
    failed(error, null, reload);
    return;
  }
  document.body.dataset.ready = 'yes';
  // Extensions announce themselves within a moment.
  setTimeout(() => {
    if (by('step').querySelector('.choices')) return;
    choose();
    if (sessionStorage.getItem('begun')) {
      say(notice('wait', 'The page was loaded again before a wallet was linked.', 'Nothing was lost: choose your wallet once more.'));
    }
  }, wallets.length ? 0 : 700);
}

function lost() {
  presence('no', 'closed');
  if (!linked) failed(gone(), null, choose);
}

function presence(kind, text) {
  const pill = by('presence');
  if (pill.textContent === text) return;
  pill.className = `pill is-${kind}`;
  pill.textContent = text;
}

start();
