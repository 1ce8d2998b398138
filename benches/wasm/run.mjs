// Runs a program in WebAssembly, and prints how many of its checks passed: node run.mjs PROGRAM
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const system = WebAssembly.Module.imports(module).length > 0;

let code;
if (system) {
  const wasi = new WASI({ version: "preview1" });
  code = wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
} else {
  // Nothing is imported, so there is nothing that such a program could ask for.
  code = new WebAssembly.Instance(module).exports.main(0, 0);
}
const [passed, failed] = [code & 15, code >> 4];
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
