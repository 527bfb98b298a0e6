// Standard input: a JSON list of [formula, display]; standard output: a JSON list of what KaTeX has against them.
import { text } from 'node:stream/consumers';
import katex from 'katex';

const found = [];
for (const [formula, displayMode] of JSON.parse(await text(process.stdin))) {
  try {
    katex.renderToString(formula, { displayMode, strict: 'error', throwOnError: true });
  } catch (error) {
    found.push([formula, String(error.message)]);
  }
}
console.log(JSON.stringify(found));
