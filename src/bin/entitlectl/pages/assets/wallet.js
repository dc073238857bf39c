// Wallets in this browser: found by EIP-6963, asked by EIP-1193.
import { plain } from './common.js';

/** What went wrong with a wallet; `code` is `DECLINED`, `PENDING`, `UNKNOWN_CHAIN` or `WALLET`. */
export class WalletError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Tells of each wallet that announces itself, now or later. */
export function discover(found) {
  const known = new Set();
  window.addEventListener('eip6963:announceProvider', ({ detail }) => {
    const { info, provider } = detail ?? {};
    if (!info?.uuid || typeof provider?.request !== 'function' || known.has(info.uuid)) return;
    known.add(info.uuid);
    // The standard has icons as data; anything else would be fetched from somewhere.
    const icon = /^data:image\//.test(info.icon ?? '') ? info.icon : null;
    found({ name: plain(String(info.name)), icon, provider });
  });
  window.dispatchEvent(new Event('eip6963:requestProvider'));
  // Wallets from before the standard.
  setTimeout(() => {
    if (known.size === 0 && window.ethereum?.request) found({ name: 'The wallet of this browser', icon: null, provider: window.ethereum });
  }, 600);
}

async function request(wallet, method, params) {
  try {
    return await wallet.provider.request(params ? { method, params } : { method });
  } catch (error) {
    const code = error?.code ?? error?.data?.originalError?.code;
    const name = { 4001: 'DECLINED', ACTION_REJECTED: 'DECLINED', '-32002': 'PENDING', 4902: 'UNKNOWN_CHAIN' }[code];
    throw new WalletError(name ?? 'WALLET', error?.message ?? String(error));
  }
}

export async function accounts(wallet) {
  const all = await request(wallet, 'eth_requestAccounts');
  if (!Array.isArray(all) || all.length === 0) throw new WalletError('WALLET', 'it gave no account');
  return all;
}

/** The chain the wallet is on, in CAIP-2. */
export async function chain(wallet) {
  return `eip155:${BigInt(await request(wallet, 'eth_chainId'))}`;
}

export function switchTo(wallet, id) {
  const chainId = `0x${BigInt(id.replace(/^eip155:/, '')).toString(16)}`;
  return request(wallet, 'wallet_switchEthereumChain', [{ chainId }]);
}

export function sign(wallet, text, account) {
  const bytes = new TextEncoder().encode(text);
  const hex = Array.from(bytes, (it) => it.toString(16).padStart(2, '0')).join('');
  return request(wallet, 'personal_sign', [`0x${hex}`, account]);
}
