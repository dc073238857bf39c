// What Acme does on a chain, with viem. RPC_URL says where the chain is. Keys are read from files: an argument would be seen
// by every user of the machine.
import fs from 'node:fs';
import { createRequire } from 'node:module';

import { createWalletClient, defineChain, http, parseEther, publicActions } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

const USAGE = `node chain.mjs wallet KEY_FILE             makes a wallet, unless the file is there; prints its address
node chain.mjs deploy KEY_FILE             the contract; prints its address
node chain.mjs buy KEY_FILE HOLDER [pro]   a licence for a wallet, at the contract that build/contract names; prints its id
node chain.mjs sell KEY_FILE ID HOLDER     passes a licence on, as its holder may without asking anybody
node chain.mjs approve KEY_FILE ID         lets the seller take a licence back, as its holder may
node chain.mjs refund KEY_FILE ID ETHER    takes it back, as the seller may then, and pays so much for it`;

// How many words there are with each command, from and to.
const COMMANDS = new Map([
  ['wallet', [2, 2]], ['deploy', [2, 2]], ['buy', [3, 4]], ['sell', [4, 4]], ['approve', [3, 3]], ['refund', [4, 4]],
]);

const require = createRequire(import.meta.url);

function compile() {
  const solc = require('solc');
  const name = 'AcmeLicence.sol';
  const input = {
    language: 'Solidity',
    sources: { [name]: { content: fs.readFileSync(new URL(name, import.meta.url), 'utf8') } },
    settings: {
      evmVersion: 'cancun',
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  };
  const found = (path) => ({ contents: fs.readFileSync(require.resolve(path), 'utf8') });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  const errors = (output.errors ?? []).filter((it) => it.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((it) => it.formattedMessage).join('\n'));
  const { abi, evm } = output.contracts[name].AcmeLicence;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

/** The account of a key file, which holds `0x` and 64 hexadecimal digits. */
function account(keyFile) {
  return privateKeyToAccount(fs.readFileSync(keyFile, 'utf8').trim());
}

function makeWallet(keyFile) {
  if (!fs.existsSync(keyFile)) fs.writeFileSync(keyFile, `${generatePrivateKey()}\n`, { flag: 'wx', mode: 0o600 });
  return account(keyFile).address;
}

async function connect(account) {
  const transport = http(process.env.RPC_URL);
  const id = await createWalletClient({ transport }).extend(publicActions).getChainId();
  const nativeCurrency = { name: 'Ether', symbol: 'ETH', decimals: 18 };
  const chain = defineChain({ id, name: `eip155:${id}`, nativeCurrency, rpcUrls: { default: { http: [] } } });
  return createWalletClient({ account, chain, transport, pollingInterval: 100 }).extend(publicActions);
}

async function mined(client, hash) {
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== 'success') throw new Error(`the transaction ${hash} was reverted`);
  return receipt;
}

const words = process.argv.slice(2);
const [command, keyFile, ...rest] = words;
const [from, to] = COMMANDS.get(command) ?? [1, 0];
if (words.length < from || words.length > to) {
  console.error(USAGE);
  process.exit(2);
}
if (command === 'wallet') {
  console.log(makeWallet(keyFile));
  process.exit();
}
const contract = compile();
const client = await connect(account(keyFile));
const at = () => ({ abi: contract.abi, address: fs.readFileSync('build/contract', 'utf8').trim() });

switch (command) {
  case 'deploy': {
    const hash = await client.deployContract({ ...contract, args: [client.account.address] });
    console.log((await mined(client, hash)).contractAddress);
    break;
  }
  case 'buy': {
    const [holder, tier] = rest;
    const pro = tier === 'pro';
    const value = await client.readContract({ ...at(), functionName: pro ? 'PRO_PRICE' : 'STANDARD_PRICE' });
    const { request, result } = await client.simulateContract({ ...at(), functionName: 'buy', args: [holder, pro], value });
    await mined(client, await client.writeContract(request));
    console.log(String(result));
    break;
  }
  case 'sell': {
    const [id, holder] = rest;
    const args = [client.account.address, holder, BigInt(id)];
    await mined(client, await client.writeContract({ ...at(), functionName: 'transferFrom', args }));
    break;
  }
  case 'approve': {
    const [id] = rest;
    const seller = await client.readContract({ ...at(), functionName: 'owner' });
    await mined(client, await client.writeContract({ ...at(), functionName: 'approve', args: [seller, BigInt(id)] }));
    break;
  }
  case 'refund': {
    const [id, ether] = rest;
    const refund = { ...at(), functionName: 'refund', args: [BigInt(id)], value: parseEther(ether) };
    const { request } = await client.simulateContract(refund);
    await mined(client, await client.writeContract(request));
    break;
  }
}
