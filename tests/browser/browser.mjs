// A real Chromium before the pages of entitlectl, with wallets that announce themselves by EIP-6963 and really sign.
//
// What a test needs to know is its one argument, as JSON. A test that fails throws; what it throws is its reason.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';
import { privateKeyToAccount } from 'viem/accounts';

export const given = JSON.parse(process.argv[2]);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE_MS = 20_000;

/** An icon as a wallet would give one. */
const icon = (colour) => `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${colour}"/><circle cx="16" cy="16" r="7" fill="#fff"/></svg>`)}`;

/** What a wallet refuses with: EIP-1193 has a code and a text. */
export const refusal = (code, message) => ({ refused: { code, message } });

/** A wallet of a person: a key, perhaps of a contract, the chain it is on, and what it does instead of its duty, once each. */
export class Wallet {
  constructor(name, key, colour = '#1b7f5c') {
    this.name = name;
    this.account = privateKeyToAccount(key);
    this.address = this.account.address;
    this.chain = given.chain;
    this.icon = icon(colour);
    this.asked = [];
    this.instead = {};
  }

  async request(method, params) {
    this.asked.push(method);
    const instead = this.instead[method];
    if (instead) {
      delete this.instead[method];
      return typeof instead === 'function' ? instead(params) : instead;
    }
    switch (method) {
      case 'eth_requestAccounts': return { result: [this.address] };
      case 'eth_chainId': return { result: `0x${this.chain.toString(16)}` };
      case 'wallet_switchEthereumChain': this.chain = Number(params[0].chainId); return { result: null };
      case 'personal_sign': {
        assert.equal(params[1].toLowerCase(), this.address.toLowerCase(), 'asked for another account');
        return { result: await this.account.signMessage({ message: { raw: params[0] } }) };
      }
      default: return refusal(4200, `${method} is not supported`);
    }
  }
}

export async function browse(wallets, visit, width = 1180) {
  const browser = await chromium.launch({ executablePath: given.chromium, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    const context = await browser.newContext({ viewport: { width, height: 860 }, reducedMotion: 'reduce' });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const trouble = [];
    page.on('pageerror', (error) => trouble.push(`${error}`));
    page.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
    page.on('request', (request) => {
      const { hostname, protocol } = new URL(request.url());
      if (protocol === 'http:' && hostname !== new URL(given.url).hostname || protocol === 'https:') trouble.push(`asks elsewhere: ${request.url()}`);
    });
    await context.exposeBinding('askWallet', (_, number, method, params) => wallets[number].request(method, params));
    await context.addInitScript(announce, wallets.map(({ name, icon: picture }) => ({ name, icon: picture })));
    await visit(page, { context, trouble });
    assert.deepEqual(trouble.filter((it) => !/ERR_|Failed to load resource/.test(it)), [], 'the page itself must not fail');
  } finally {
    await browser.close();
  }
}

/** Runs in the page, as a wallet's extension does. */
function announce(wallets) {
  const providers = wallets.map((info, number) => {
    const listeners = {};
    const provider = {
      on: (name, act) => { (listeners[name] ??= []).push(act); },
      emit: (name, value) => (listeners[name] ?? []).forEach((act) => act(value)),
      async request({ method, params }) {
        const { result, refused } = await window.askWallet(number, method, params ?? []);
        if (refused) throw Object.assign(new Error(refused.message), { code: refused.code });
        return result;
      },
    };
    return { info: { uuid: `00000000-0000-4000-8000-00000000000${number}`, rdns: `example.wallet${number}`, ...info }, provider };
  });
  window.providersOfTests = providers.map((it) => it.provider);
  const tell = () => providers.forEach((detail) => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze(detail) })));
  window.addEventListener('eip6963:requestProvider', tell);
  tell();
}

/** Whoever cannot see, cannot use a mouse, likes it dark, or has a small screen, can use the page as it is now. Keeps what it
 * looked like. */
export async function lookedAt(page, name) {
  const large = page.viewportSize();
  for (const [look, scheme, size] of [['light', 'light', large], ['dark', 'dark', large], ['small', 'light', { width: 320, height: 640 }]]) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize(size);
    await page.screenshot({ path: path.join(given.screenshots, `${name}-${look}.png`), fullPage: true });
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wider, 0, `${name}, ${look}: the page is wider than the screen`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((it) => it.html).join(' | ')}`);
    assert.deepEqual(found, [], `${name}, ${look}`);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize(large);
}

/** Waits until the page says something. */
export async function says(page, text) {
  await page.getByText(text).first().waitFor().catch(async () => {
    assert.fail(`the page does not say ${text}, but:\n${await page.locator('main').innerText()}`);
  });
}

export const press = (page, name) => page.getByRole('button', { name, exact: false }).first().click();

/** Asks the node of the test chain. */
export async function node(method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const reply = await fetch(given.node, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const { result, error } = await reply.json();
  assert.equal(error, undefined, JSON.stringify(error));
  return result;
}
