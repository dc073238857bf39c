// The overview: what there is, a purchase and a sale as they happen, and that the daemon, or the command behind the page, has gone.
import assert from 'node:assert/strict';
import path from 'node:path';

import { browse, given, lookedAt, node, says } from './browser.mjs';

await browse([], async (page) => {
  await page.goto(given.url);
  const card = page.locator('#licence-acme-cad');
  await card.waitFor();
  await says(page, 'all is well');
  await card.getByText('Not licensed').waitFor();
  await says(page, 'Local test chain');
  await page.locator('#wallets .rows li').first().waitFor();

  await says(page, '1 of 5 seats in use');

  // A purchase is seen without anything being pressed.
  await node('eth_sendTransaction', [given.mint]);
  await card.getByText('Licensed', { exact: true }).waitFor();
  assert.match(await card.innerText(), /pro[\s\S]*export[\s\S]*max projects: 50/i);
  await says(page, 'of 2 installed products licensed');
  assert.match(await page.locator('#licence-acme-render').innerText(), /Until 31 March 2046/);
  // The picture of the documents wants some blocks and looks: docs/contributing.md.
  for (let second = 0; second < Number(process.env.PAGES_LINGER_S ?? 0); second += 1) {
    if (second % 7 === 3) await node('anvil_mine', ['0x1']);
    await page.waitForTimeout(1_000);
  }
  await page.screenshot({ path: path.join(given.screenshots, 'ui-overview.png') });
  await card.getByText('Why?').click();
  await card.locator('.trail .is-yes').first().waitFor();
  await page.locator('#history li').first().waitFor();
  if (given.admin) {
    await says(page, 'For administrators');
    assert.match(await page.locator('#customers').innerText(), /Acme AG/);
    assert.match(await page.locator('#ledger').innerText(), /Wallets/);
    assert.match(await page.locator('#actors').innerText(), /running/);
  } else {
    assert.equal(await page.locator('#administration').isVisible(), false);
  }
  // Some looks, so that the charts have something to show.
  await page.locator('.chart .line').first().waitFor();
  await lookedAt(page, `ui${given.admin ? '-admin' : ''}`);

  // So is a sale.
  await node('anvil_impersonateAccount', [given.sale.from]);
  await node('eth_sendTransaction', [given.sale]);
  await card.getByText('Not licensed').waitFor();
  assert.equal(await card.locator('details').evaluate((it) => it.open), true, 'what was opened stays open');

  process.kill(given.daemon, 'SIGTERM');
  await says(page, 'the daemon is away');
  process.kill(given.pid, 'SIGTERM');
  await says(page, 'This page is closed');
});
