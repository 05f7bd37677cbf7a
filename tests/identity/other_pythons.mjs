// Runs the golden vectors of identity on a Python that is not installed here: CPython compiled to WebAssembly.
// FOLDER is any folder outside the repository, another one for each Python:
//
//   npm install --prefix FOLDER pyodide@0.27.7 && node tests/identity/other_pythons.mjs FOLDER   # CPython 3.12
//   npm install --prefix FOLDER pyodide@0.29.4 && node tests/identity/other_pythons.mjs FOLDER   # CPython 3.13
//   npm install --prefix FOLDER pyodide@314.0.7 && node tests/identity/other_pythons.mjs FOLDER  # CPython 3.14
//
// Exits with 1 when a digest differs.

import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const installed = path.join(path.resolve(process.argv[2] ?? "."), "node_modules", "pyodide");
const { loadPyodide } = await import(pathToFileURL(path.join(installed, "pyodide.mjs")).href);

const python = await loadPyodide({ indexURL: installed });
python.FS.mkdirTree("/project");
python.FS.mount(python.FS.filesystems.NODEFS, { root }, "/project");
const status = python.runPython(`
import sys
sys.path.insert(0, "/project/tests/identity")
sys.dont_write_bytecode = True
import identity_golden
identity_golden.main([])
`);
process.exit(status);
