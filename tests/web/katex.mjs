// Standard input: a JSON list of [formula, display]; standard output: a JSON list of what KaTeX has against them.
import { readFileSync } from 'node:fs';
import katex from 'katex';

const found = [];
for (const [formula, displayMode] of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    katex.renderToString(formula, { displayMode, strict: 'error', throwOnError: true });
  } catch (error) {
    found.push([formula, String(error.message)]);
  }
}
console.log(JSON.stringify(found));
