// The licence in the overview, and its sale while one looks.
import path from 'node:path';

import { browse, given, node, says } from './browser.mjs';

await browse([], async (page) => {
  await page.goto(given.url);
  const card = page.locator('#licence-acme-cad');
  await card.getByText('Licensed', { exact: true }).waitFor();
  await says(page, 'all is well');
  await page.screenshot({ path: path.join(given.screenshots, 'newcomer-licensed.png') });
  console.log(`before the sale, the page says: ${(await card.innerText()).replace(/\s*\n\s*/g, ' · ')}`);
  await node('anvil_impersonateAccount', [given.sale.from]);
  await node('eth_sendTransaction', [given.sale]);
  await card.getByText('Not licensed').waitFor();
  await page.screenshot({ path: path.join(given.screenshots, 'newcomer-sold.png') });
  console.log(`after the sale, without a reload: ${(await card.innerText()).replace(/\s*\n\s*/g, ' · ')}`);
});
