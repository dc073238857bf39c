// A wallet is linked from beginning to end, by the keyboard alone; `given.contract` is the address of a wallet that is a contract.
import assert from 'node:assert/strict';

import { Wallet, browse, given, lookedAt, press, says } from './browser.mjs';

const wallet = new Wallet('Fern Wallet', given.key);
if (given.contract) wallet.address = given.contract;
const other = new Wallet('Harbour', `0x${'22'.repeat(32)}`, '#7a4fd0');

await browse([wallet, other], async (page, { context }) => {
  await page.goto(given.url);
  await says(page, 'Choose your wallet');
  assert.equal(new URL(page.url()).search, '', 'the token is not kept in the address');
  assert.deepEqual(await page.locator('.choices button').allInnerTexts(), ['Fern Wallet', 'Harbour']);
  if (!given.contract) await lookedAt(page, 'link-choose');

  const [cookie] = await context.cookies();
  assert.equal(cookie.httpOnly && cookie.sameSite === 'Strict' && cookie.expires === -1, true, JSON.stringify(cookie));

  const fern = page.getByRole('button', { name: 'Fern Wallet' });
  for (let at = 0; at < 10 && !(await fern.evaluate((it) => it === document.activeElement)); at += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await says(page, 'Read what you sign');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'step-title', 'who listens hears the next step');
  await says(page, 'This is no transaction');
  await page.getByText('The text, word for word').click();
  const text = await page.locator('pre').innerText();
  assert.match(text, new RegExp(`^entitled-[0-9a-f]{12}\\.localhost wants you to sign in`));
  assert.match(text, new RegExp(`Chain ID: ${given.chain}\n`));
  assert.equal(wallet.asked.includes('personal_sign'), false, 'nothing is signed before it was read');
  if (!given.contract) await lookedAt(page, 'link-read');

  await press(page, 'Sign in Fern Wallet');
  await says(page, 'Your wallet is linked');
  await says(page, 'Licensed');
  const card = page.locator('article.licence').first();
  assert.match(await card.innerText(), /Acme CAD[\s\S]*pro[\s\S]*Licensed[\s\S]*export/i);
  await card.getByText('Why?').click();
  await page.locator('.trail .is-yes').first().waitFor();
  if (!given.contract) await lookedAt(page, 'link-done');
  assert.deepEqual(new Set(other.asked), new Set(), 'another wallet is asked nothing');
}, 780);
