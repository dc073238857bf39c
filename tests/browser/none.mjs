// A browser without a wallet says how to go on; one that comes later is found.
import { browse, given, lookedAt, says } from './browser.mjs';

await browse([], async (page) => {
  await page.goto(given.url);
  await says(page, 'No wallet was found in this browser');
  await says(page, 'entitlectl wallet link --no-browser');
  await lookedAt(page, 'link-none');
  await page.evaluate(() => {
    const detail = { info: { uuid: 'late', name: 'Late Wallet', icon: 'https://elsewhere.example/icon.png' }, provider: { request: async () => [] } };
    window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
  });
  await says(page, 'Late Wallet');
}, 780);
