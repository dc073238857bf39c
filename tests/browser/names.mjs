// Names that turn the text beside them around, or are HTML, are names and nothing else.
import assert from 'node:assert/strict';

import { Wallet, browse, given, says } from './browser.mjs';

const CONTROL = /[\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/;
const wallet = new Wallet('Fern\u202E<b>teltaW</b>', given.key);

/** All that is written on the page, and said to who does not see it. */
const written = (page) => page.evaluate(() => {
  const said = [...document.querySelectorAll('*')].flatMap((it) => ['title', 'aria-label', 'alt'].map((name) => it.getAttribute(name) ?? ''));
  return document.body.textContent + said.join(' ');
});

await browse([wallet], async (page) => {
  await page.goto(given.url);
  if (given.page === 'link') {
    await says(page, 'Choose your wallet');
    await page.locator('.choices button').click();
    await says(page, 'Read what you sign');
    await says(page, '(customer:1)');
  } else {
    await page.locator('#licence-acme-cad').waitFor();
    await page.locator('#customers td').first().waitFor();
  }
  const text = await written(page);
  assert.doesNotMatch(text, CONTROL);
  assert.match(text, /<i>reh<\/i>/, 'the name is shown');
  assert.equal(await page.locator('b:has-text("tel"), i').count(), 0, 'and is no HTML');
  const name = page.locator('bdi', { hasText: '<i>reh</i>' }).first();
  assert.equal(await name.evaluate((it) => getComputedStyle(it).unicodeBidi), 'isolate', 'it has a direction of its own');
}, 780);
