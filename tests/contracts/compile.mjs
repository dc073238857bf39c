// Compiles the contracts beside this file into out/NAME.json (abi, bytecode, code: what stands on the chain
// once deployed), with the compiler from npm. Contracts that npm has compiled already are copied beside them.
// Compiles only when a source, this script or the compiler's version has changed since the last time.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, '..', 'node_modules');
const out = path.join(here, 'out');
const stamp = path.join(out, '.stamp');

const names = fs.readdirSync(here).filter((name) => name.endsWith('.sol')).sort();
const sources = Object.fromEntries(
  names.map((name) => [name, { content: fs.readFileSync(path.join(here, name), 'utf8') }]),
);
const versions = ['solc', '@openzeppelin/contracts', '@unlock-protocol/contracts', 'erc6551', 'erc721a', 'solady'].map(
  (name) => JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'), 'utf8')).version,
);
const digest = createHash('sha256')
  .update(JSON.stringify([sources, versions, fs.readFileSync(fileURLToPath(import.meta.url), 'utf8')]))
  .digest('hex');
if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === digest) process.exit(0);

const solc = createRequire(import.meta.url)('solc');
const input = {
  language: 'Solidity',
  sources,
  settings: {
    evmVersion: 'cancun',
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
  },
};
const findImport = (name) => {
  const file = path.join(modules, name);
  return fs.existsSync(file)
    ? { contents: fs.readFileSync(file, 'utf8') }
    : { error: `${name} is not installed` };
};
const compiled = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
const errors = (compiled.errors ?? []).filter((it) => it.severity === 'error');
if (errors.length > 0) {
  for (const error of errors) console.error(error.formattedMessage);
  process.exit(1);
}

fs.mkdirSync(out, { recursive: true });
const written = [];
const write = (contract, artifact) => {
  const file = path.join(out, `${contract}.json`);
  fs.writeFileSync(`${file}.part`, JSON.stringify(artifact));
  fs.renameSync(`${file}.part`, file);
  written.push(contract);
};

// Of what is imported, only these are deployed by themselves.
const imported = ['erc6551/ERC6551Registry.sol', 'erc6551/examples/simple/ERC6551Account.sol'];
for (const name of [...names, ...imported]) {
  for (const [contract, { abi, evm }] of Object.entries(compiled.contracts[name] ?? {})) {
    if (evm.bytecode.object === '') continue; // abstract
    const [bytecode, code] = [evm.bytecode, evm.deployedBytecode].map((it) => `0x${it.object}`);
    write(contract, { abi, bytecode, code });
  }
}

const unlock = path.join(modules, '@unlock-protocol/contracts/dist/abis');
for (const contract of ['Unlock/UnlockV14', ...[9, 10, 11, 12, 13, 14, 15].map((it) => `PublicLock/PublicLockV${it}`)]) {
  const { abi, bytecode } = JSON.parse(fs.readFileSync(path.join(unlock, `${contract}.json`), 'utf8'));
  write(path.basename(contract), { abi, bytecode });
}
fs.writeFileSync(stamp, digest);
console.log(`compiled ${written.length} contracts with solc ${versions[0]}`);
