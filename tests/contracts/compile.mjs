// Compiles the contracts beside this file into out/NAME.json (abi, bytecode), with the compiler from npm.
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
const versions = ['solc', '@openzeppelin/contracts'].map(
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
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
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
for (const name of names) {
  for (const [contract, { abi, evm }] of Object.entries(compiled.contracts[name] ?? {})) {
    if (evm.bytecode.object === '') continue; // abstract
    const artifact = { abi, bytecode: `0x${evm.bytecode.object}` };
    const file = path.join(out, `${contract}.json`);
    fs.writeFileSync(`${file}.part`, JSON.stringify(artifact));
    fs.renameSync(`${file}.part`, file);
    written.push(contract);
  }
}
fs.writeFileSync(stamp, digest);
console.log(`compiled ${written.length} contracts with solc ${versions[0]}`);
