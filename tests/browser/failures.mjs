// Everything that goes wrong while a wallet is linked says what to do, and lets one try again; in the end it is linked.
import assert from 'node:assert/strict';
import net from 'node:net';

import { Wallet, browse, given, lookedAt, press, refusal, says } from './browser.mjs';

const wallet = new Wallet('Fern Wallet', given.key);
const stranger = new Wallet('Stranger', given.stranger);

/** Asks the daemon beside the page. */
function daemon(method, params) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(given.socket, () => socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`));
    socket.on('error', reject);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
      if (!text.endsWith('\n')) return;
      resolve(JSON.parse(text));
      socket.destroy();
    });
  });
}

const choose = (page) => press(page, 'Fern Wallet');

await browse([wallet], async (page) => {
  await page.goto(given.url);
  await says(page, 'Choose your wallet');

  // The account is not shown.
  wallet.instead.eth_requestAccounts = refusal(4001, 'User rejected the request.');
  await choose(page);
  await says(page, 'You declined in your wallet.');
  await lookedAt(page, 'link-declined');
  wallet.instead.eth_requestAccounts = refusal(-32002, 'Already processing');
  await press(page, 'Try again');
  await says(page, 'is already asking you something');

  // Another network: the wallet refuses to switch, does not know it, and switches at last.
  wallet.chain = 5;
  await press(page, 'Try again');
  await says(page, 'Your wallet is on another network');
  await lookedAt(page, 'link-network');
  wallet.instead.wallet_switchEthereumChain = refusal(4001, 'User rejected the request.');
  await press(page, 'Switch to');
  await says(page, 'The network was not switched');
  wallet.instead.wallet_switchEthereumChain = refusal(4902, 'Unrecognized chain ID');
  await press(page, 'Switch to');
  await says(page, 'Add it there, or sign without switching');
  await press(page, 'Switch to');
  await says(page, 'Read what you sign');
  assert.equal(wallet.chain, given.chain);

  // The signature is refused.
  wallet.instead.personal_sign = refusal(4001, 'User rejected the request.');
  await press(page, 'Sign in');
  await says(page, 'You declined in your wallet.');
  await press(page, 'Try again');

  // Another account signs.
  await says(page, 'Read what you sign');
  wallet.instead.personal_sign = ([raw]) => stranger.account.signMessage({ message: { raw } }).then((result) => ({ result }));
  await press(page, 'Sign in');
  await says(page, 'The signature is not of this wallet.');
  await press(page, 'Try again');

  // The text expires before it is signed.
  await says(page, 'Read what you sign');
  await page.clock.setFixedTime(Date.now() + 11 * 60_000);
  await press(page, 'Sign in');
  await says(page, 'The text has expired.');
  await page.clock.setFixedTime(Date.now());
  await press(page, 'Try again');

  // The page is loaded again half-way.
  await says(page, 'Read what you sign');
  await page.reload();
  await says(page, 'The page was loaded again before a wallet was linked.');
  await lookedAt(page, 'link-reloaded');

  // Another account is chosen in the wallet while the text is read.
  await choose(page);
  await says(page, 'Read what you sign');
  await page.evaluate((account) => window.providersOfTests[0].emit('accountsChanged', [account]), stranger.address);
  await says(page, 'Another account was chosen in your wallet.');

  // The wallet is somebody else's on this machine.
  const own = wallet.account;
  wallet.account = stranger.account;
  wallet.address = stranger.address;
  await choose(page);
  await says(page, 'Read what you sign');
  await press(page, 'Sign in');
  await says(page, 'This wallet cannot be linked.');

  wallet.account = own;
  wallet.address = own.address;
  await press(page, 'Choose another wallet');
  await choose(page);
  await says(page, 'Read what you sign');

  // The text is used already when the page gives it to the daemon.
  wallet.instead.personal_sign = async ([raw]) => {
    const signature = await own.signMessage({ message: { raw } });
    const message = Buffer.from(raw.slice(2), 'hex').toString();
    assert.equal((await daemon('wallet_link', { message, signature })).error, undefined);
    return { result: signature };
  };
  await press(page, 'Sign in');
  await says(page, 'The text you signed has expired, or was used already.');
  await press(page, 'Try again');
  await says(page, 'Read what you sign');
  await press(page, 'Sign in');
  await says(page, 'Your wallet is linked');
}, 780);
