/**
 * Writes src/api/schema.d.ts from the server's OpenAPI document. With --check, fails where the file is out of date.
 * PYTHON names the interpreter that has the server's dependencies.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = fileURLToPath(new URL('../src/api/schema.d.ts', import.meta.url));
const HEAD = '// Generated from the OpenAPI document by `npm run types`. Do not edit.\n\n';

const python = process.env.PYTHON ?? [`${root}.venv/bin/python`].find(existsSync) ?? 'python3';
const document = execFileSync(python, ['scripts/make_openapi.py'], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
const types = HEAD + astToString(await openapiTS(JSON.parse(document.toString())));

if (!process.argv.includes('--check')) {
  writeFileSync(target, types);
} else if (!existsSync(target) || readFileSync(target, 'utf8') !== types) {
  console.error('frontend/src/api/schema.d.ts is out of date: run `npm --prefix frontend run types`.');
  process.exit(1);
}
